//! Server-sent events that have come whole: the data of each.

/// The data of each event, in their order.
pub(crate) fn data(text: &str) -> Vec<String> {
    let (mut events, mut lines) = (Vec::new(), Vec::new());
    for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        if line.is_empty() && !lines.is_empty() {
            events.push(std::mem::take(&mut lines).join("\n"));
        } else if let Some(data) = line.strip_prefix("data:") {
            lines.push(data.strip_prefix(' ').unwrap_or(data));
        }
    }
    if !lines.is_empty() {
        events.push(lines.join("\n"));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::data;

    #[test]
    fn data_of_several_lines_is_one() {
        assert_eq!(data("id: 1\ndata: a\ndata:b\r\n\r\n:x\n\ndata: c"), ["a\nb", "c"]);
        assert!(data("").is_empty());
    }
}
