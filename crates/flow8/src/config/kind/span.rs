//! A length of time as a setting.

use model::Value;
pub use model::span::Span;

use super::{Kind, scalar, unfit};

impl Kind for Span {
    fn expected() -> String {
        Self::EXPECTED.into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        scalar(given).and_then(|text| text.parse().ok()).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_text_with_a_unit() {
        let span = Span::read(&"1h30m".into()).expect("a span");
        assert_eq!((Kind::show(&span), Span::read(&Kind::show(&span))), ("90m".into(), Ok(span)));
        assert!(Span::read(&"30".into()).is_err());
        assert!(Span::read(&30.into()).is_err());
    }
}
