//! Settings that are lists: a list in config.yml, words between commas everywhere else.

use model::Value;

use super::{Kind, unfit};

impl<T: Kind> Kind for Vec<T> {
    const SECRET: bool = T::SECRET;

    fn expected() -> String {
        format!("a list (in the environment with commas), each item {}", T::expected())
    }

    fn read(given: &Value) -> Result<Self, String> {
        let item = |value: &Value| T::read(value);
        match given {
            Value::Null => Ok(Self::new()),
            Value::List(items) => items.iter().map(item).collect(),
            Value::Text(text) => {
                let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
                words.map(|word| item(&word.into())).collect()
            }
            other => Err(unfit::<Self>(other)),
        }
    }

    fn show(&self) -> Value {
        Value::list(self.iter().map(Kind::show))
    }
}
