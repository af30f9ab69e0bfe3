//! "Did you mean …?": the name nearest to one that is not known.

/// Names longer than this are not compared.
const LONGEST: usize = 64;

/// At most so many names are compared.
const MOST: usize = 500;

/// The candidate that the name was most likely meant to be; `None` where none is near.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let wanted = name.to_lowercase();
    let allowed = 1 + wanted.chars().count() / 4;
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .take(MOST)
        .map(|candidate| (strsim::osa_distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?`, or nothing.
pub fn did_you_mean<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(name, candidates).map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_wins() {
        let names = ["upper", "lower", "length", "replace", "x"];
        for (name, expected) in [
            ("uper", Some("upper")),
            ("Upper", Some("upper")),
            ("lenght", Some("length")),
            ("repalce", Some("replace")),
            ("y", None),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, names), expected, "{name}");
        }
    }
}
