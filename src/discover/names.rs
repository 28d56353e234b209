//! Names as they are compared: without case, accents, signs, and what says nothing.

/// Endings that say how a value is written, not what it is.
const ENDINGS: [&str; 10] = ["utc", "gmt", "local", "eur", "euro", "usd", "gbp", "chf", "ms", "ts"];
/// Parts of a dotted name that hold a row's own values.
const HOLDERS: [&str; 12] = [
    "custom",
    "customfields",
    "fields",
    "attributes",
    "properties",
    "data",
    "payload",
    "metrics",
    "metricset",
    "details",
    "values",
    "record",
];

/// What a row of a feed is called: words that a column's name may begin with.
fn nouns(feed: &str) -> &'static [&'static str] {
    match feed {
        "surveys" => &["survey", "response", "answer", "nps"],
        "purchases" => &["order", "purchase", "sales"],
        "tickets" => &["ticket", "case", "incident", "request"],
        "interactions" => &["interaction", "contact", "call", "activity", "event"],
        _ => &[],
    }
}

/// The words of a name: cut at signs, and where a capital follows a small letter.
pub fn tokens(name: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    let mut was_small = false;
    for c in name.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c)) {
        // The o of `N°` is written with a sign for degrees as well.
        let c = if c == '°' { 'º' } else { c };
        if !c.is_alphanumeric() || (was_small && c.is_uppercase()) {
            tokens.push(String::new());
        }
        was_small = c.is_lowercase();
        if let Some(token) = tokens.last_mut().filter(|_| c.is_alphanumeric()) {
            c.to_lowercase().for_each(|c| push_plain(token, c));
        }
    }
    tokens.iter().filter(|token| !token.is_empty()).map(|token| folded(token)).collect()
}

/// A name as one word.
pub fn plain(name: &str) -> String {
    folded(&tokens(name).concat())
}

fn push_plain(text: &mut String, c: char) {
    text.push(match c {
        'ä' | 'á' | 'à' | 'â' | 'ã' | 'å' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'º' | 'ö' | 'ó' | 'ò' | 'ô' | 'õ' => 'o',
        'ü' | 'ú' | 'ù' | 'û' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        'ß' => return text.push_str("ss"),
        other => other,
    });
}

/// Umlauts are written in two ways; names and words lose both alike.
fn folded(text: &str) -> String {
    text.replace("ae", "a").replace("oe", "o").replace("ue", "u")
}

/// What a column of a feed may be looked up by, the surest first.
pub fn variants(feed: &str, name: &str) -> Vec<String> {
    let mut variants = vec![plain(name)];
    let mut parts: Vec<&str> = name.split('.').collect();
    while parts.len() > 1 && {
        let holder = plain(parts[0]);
        HOLDERS.contains(&holder.as_str()) || nouns(feed).contains(&holder.as_str())
    } {
        parts.remove(0);
    }
    let mut words = tokens(&parts.join("."));
    variants.push(words.concat());
    if words.len() > 1 && words.last().is_some_and(|word| ENDINGS.contains(&word.as_str())) {
        words.pop();
        variants.push(words.concat());
    }
    if words.len() > 1 && nouns(feed).contains(&words[0].as_str()) {
        variants.push(words[1..].concat());
    }
    let mut seen: Vec<String> = Vec::new();
    for variant in variants.into_iter().map(|variant| folded(&variant)) {
        if !seen.contains(&variant) {
            seen.push(variant);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_accents_and_signs() {
        for (one, other) in [
            ("Währung", "waehrung"),
            ("Wa\u{308}hrung", "wahrung"),
            ("N° de commande", "nodecommande"),
            ("Numéro de commande", "numerodecommande"),
            ("responseId", "Response ID"),
            ("Größe", "groesse"),
        ] {
            assert_eq!(plain(one), plain(other), "{one}");
        }
        assert_eq!(tokens("SurveyResponses_2025"), ["survey", "responses", "2025"]);
    }

    #[test]
    fn what_says_nothing_is_left_out_of_a_name() {
        assert_eq!(variants("tickets", "custom.order_ref"), ["customorderref", "orderref"]);
        assert_eq!(variants("interactions", "cost_eur"), ["costeur", "cost"]);
        assert_eq!(variants("tickets", "ticket_created_at"), ["ticketcreatedat", "createdat"]);
        // An agent's address is not the customer's.
        assert_eq!(variants("tickets", "assignee.email"), ["assigneeemail"]);
    }
}
