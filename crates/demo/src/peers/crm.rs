//! A CRM: what is known of firms, leads, and the accounts of customers.

use model::Value;

use super::request::{Answer, Asked};
use super::shelf::{Shelf, with_id};

/// Leads and accounts.
#[derive(Debug, Default)]
pub(super) struct Crm {
    leads: Shelf<Value>,
    accounts: Shelf<Value>,
}

/// Domain, name, what they do, people, country.
const COMPANIES: &[(&str, &str, &str, u64, &str)] = &[
    ("harbour-foods.example", "Harbour Foods", "groceries", 1400, "NL"),
    ("larch-studio.example", "Larch Studio", "design", 9, "DE"),
    ("northwind-rail.example", "Northwind Rail", "logistics", 320, "SE"),
];

impl Crm {
    pub(super) fn act(&mut self, method: &str, path: &[&str], asked: &Asked) -> Answer {
        match (method, path) {
            ("GET", ["companies"]) => Answer::found(company(asked.query("domain").unwrap_or_default())),
            (_, ["leads", rest @ ..]) => keep(&mut self.leads, "email", method, rest, asked),
            (_, ["accounts", rest @ ..]) => keep(&mut self.accounts, "accountId", method, rest, asked),
            _ => Answer::nowhere(),
        }
    }
}

/// Things that the caller names: PUT makes or replaces one, PATCH changes some fields.
fn keep(shelf: &mut Shelf<Value>, id_name: &str, method: &str, path: &[&str], asked: &Asked) -> Answer {
    match (method, path) {
        ("GET", []) => Answer::ok(shelf.list()),
        ("GET", [id]) => Answer::found(shelf.get(id).cloned()),
        ("PUT", [id]) => {
            let thing = with_id(id_name, id, &asked.body);
            if shelf.put(*id, thing.clone()) { Answer::created(thing) } else { Answer::ok(thing) }
        }
        ("PATCH", [id]) => match shelf.get(id).and_then(Value::as_map).cloned() {
            None => Answer::nowhere(),
            Some(mut fields) => {
                fields.extend(asked.body.as_map().cloned().unwrap_or_default());
                let thing = with_id(id_name, id, &fields.into());
                shelf.put(*id, thing.clone());
                Answer::ok(thing)
            }
        },
        ("DELETE", [id]) => shelf.remove(id).map_or_else(Answer::nowhere, |_| Answer::empty()),
        _ => Answer::nowhere(),
    }
}

fn company(domain: &str) -> Option<Value> {
    let (domain, name, industry, people, country) = *COMPANIES.iter().find(|company| company.0 == domain)?;
    Some(Value::map([
        ("domain", Value::from(domain)),
        ("name", name.into()),
        ("industry", industry.into()),
        ("employees", people.into()),
        ("country", country.into()),
    ]))
}
