//! Reads the filters of queries: what is compared, what is tested, functions.

use model::{Number, Value};

use super::super::{Comparable, Comparison, Logical, Pattern, pattern};
use super::{Argument, Parser};

impl Parser<'_> {
    pub(super) fn logical(&mut self) -> Result<Logical, String> {
        let mut any = vec![self.conjunction()?];
        while self.operator("||") {
            any.push(self.conjunction()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Logical::Or(any) })
    }

    fn conjunction(&mut self) -> Result<Logical, String> {
        let mut all = vec![self.basic()?];
        while self.operator("&&") {
            all.push(self.basic()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Logical::And(all) })
    }

    fn operator(&mut self, operator: &str) -> bool {
        let before = self.at;
        self.blanks();
        if self.eat(operator) {
            self.blanks();
            return true;
        }
        self.at = before;
        false
    }

    fn basic(&mut self) -> Result<Logical, String> {
        let is_not = self.eat("!");
        if is_not {
            self.blanks();
        }
        let tested = if self.eat("(") {
            self.blanks();
            let inner = self.deeper(Self::logical)?;
            self.blanks();
            self.expect(")")?;
            inner
        } else {
            self.test(is_not)?
        };
        Ok(if is_not { Logical::Not(Box::new(tested)) } else { tested })
    }

    /// A comparison; or, where there is none, what stands for itself.
    fn test(&mut self, is_not: bool) -> Result<Logical, String> {
        let start = self.at;
        let left = self.operand()?;
        let before = self.at;
        self.blanks();
        let Some(comparison) = self.comparison() else {
            self.at = before;
            return match left {
                Argument::Nodes(query) => Ok(Logical::Exists(query)),
                Argument::Logical(logical) => Ok(logical),
                Argument::Value(_) => {
                    self.at = start;
                    Err(self.wrong("a value is neither true nor false; compare it"))
                }
            };
        };
        if is_not {
            return Err(self.wrong("a comparison with ! in front stands in parentheses"));
        }
        self.blanks();
        let left = self.comparable(left)?;
        let right = self.operand()?;
        Ok(Logical::Compare(left, comparison, self.comparable(right)?))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let all = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        all.into_iter().find(|(text, _)| self.eat(text)).map(|(_, comparison)| comparison)
    }

    fn comparable(&self, argument: Argument) -> Result<Comparable, String> {
        match argument {
            Argument::Value(value) => Ok(value),
            Argument::Nodes(query) if query.is_singular() => Ok(Comparable::Singular(query)),
            Argument::Nodes(_) => Err(self.wrong("only a path to a single value can be compared")),
            Argument::Logical(_) => Err(self.wrong("what is true or false cannot be compared")),
        }
    }

    /// A path, a literal or a function.
    fn operand(&mut self) -> Result<Argument, String> {
        match self.peek() {
            Some('$' | '@') => self.deeper(Self::query).map(Argument::Nodes),
            Some('"' | '\'') => self.string().map(|text| Argument::Value(Comparable::Literal(text.into()))),
            Some('-' | '0'..='9') => self.number().map(|number| Argument::Value(Comparable::Literal(number))),
            Some('a'..='z') => self.word(),
            _ => Err(self.wrong("expected @, $, a function or a literal")),
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let is_part = |char: char| char.is_ascii_digit() || matches!(char, '-' | '+' | '.' | 'e' | 'E');
        let text = self.rest().split(|char| !is_part(char)).next().unwrap_or_default();
        let number = Number::parse(text).ok_or_else(|| self.wrong("this is no number"))?;
        self.at += text.len();
        Ok(number.into())
    }

    /// `true`, `false`, `null`, or a function.
    fn word(&mut self) -> Result<Argument, String> {
        let is_part = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
        let start = self.at;
        let word = self.rest().split(|char| !is_part(char)).next().unwrap_or_default();
        self.at += word.len();
        let literal = |value: Value| Ok(Argument::Value(Comparable::Literal(value)));
        match word {
            "true" => literal(true.into()),
            "false" => literal(false.into()),
            "null" => literal(Value::Null),
            _ if self.eat("(") => self.deeper(|parser| parser.function(word)),
            _ => {
                self.at = start;
                Err(self.wrong("expected a literal or a function"))
            }
        }
    }

    fn function(&mut self, name: &str) -> Result<Argument, String> {
        let first = self.argument()?;
        let result = match name {
            "length" => Argument::Value(Comparable::Length(Box::new(self.comparable(first)?))),
            "count" | "value" => {
                let Argument::Nodes(query) = first else { return Err(self.wrong("the function takes a path")) };
                Argument::Value(if name == "count" { Comparable::Count(query) } else { Comparable::ValueOf(query) })
            }
            "match" | "search" => {
                let text = self.comparable(first)?;
                self.expect(",")?;
                let second = self.argument()?;
                let whole = name == "match";
                let pattern = match self.comparable(second)? {
                    Comparable::Literal(Value::Text(text)) => Pattern::Written(pattern::compile(&text, whole)),
                    other => Pattern::Computed(other),
                };
                Argument::Logical(Logical::Matches { text, pattern, whole })
            }
            _ => return Err(self.wrong("there is no such function; there are length, count, match, search and value")),
        };
        self.expect(")")?;
        Ok(result)
    }

    fn argument(&mut self) -> Result<Argument, String> {
        self.blanks();
        let argument = self.operand()?;
        self.blanks();
        Ok(argument)
    }
}
