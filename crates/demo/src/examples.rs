//! [`examples`]: the flow files of the `examples` folder, with arguments to try them with.

/// A flow file, and arguments to try it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// What its files are called: `invoice-approval`. The flow's permanent id is the same.
    pub name: &'static str,
    /// The flow file.
    pub yaml: &'static str,
    /// Arguments, as JSON.
    pub args: &'static str,
}

macro_rules! example {
    ($name:literal) => {
        Example {
            name: $name,
            yaml: include_str!(concat!("../../../examples/", $name, ".yaml")),
            args: include_str!(concat!("../../../examples/", $name, ".args.json")),
        }
    };
}

/// Every example, in the order of their names.
pub fn examples() -> &'static [Example] {
    const {
        &[
            example!("enrich-lead"),
            example!("invoice-approval"),
            example!("nightly-report"),
            example!("onboarding"),
            example!("payments-by-currency"),
            example!("settlement"),
            example!("travel-saga"),
        ]
    }
}
