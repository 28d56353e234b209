//! Free text without e-mail addresses, phone numbers and card numbers.
//!
//! It errs towards taking out too much: nine digits in a row are taken for a phone number, whatever they are.
//! Dates and amounts stay. Names stay too: no rule tells them from other words.

use std::borrow::Cow;
use std::ops::Range;

const EMAIL: &str = "[e-mail]";
const CARD: &str = "[card]";
const PHONE: &str = "[phone]";
const NUMBER: &str = "[number]";

/// Digits of a card number.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// Fewer digits are no phone number, unless they are written like one.
const LEAST_PHONE: usize = 9;
/// The longest phone number that there is.
const MOST_PHONE: usize = 15;
/// Letters in the quotation marks before an `@`, and of an address in brackets after it.
const MOST_QUOTED: usize = 64;
const MOST_LITERAL: usize = 48;
/// Signs between two groups of digits of one number.
const MOST_BETWEEN: usize = 3;

/// The text, with a word in brackets for each address and number.
pub fn redact(text: &str) -> Cow<'_, str> {
    let has_digits = || text.chars().filter(|c| digit(*c).is_some()).count() >= 7;
    if !text.contains(is_at) && !text.contains(['(', '[', '{']) && !has_digits() {
        return Cow::Borrowed(text);
    }
    let letters: Vec<char> = text.chars().collect();
    let letters: Vec<char> = replace(&letters, &emails(&letters));
    let letters: Vec<char> = replace(&letters, &numbers(&letters));
    Cow::Owned(letters.into_iter().collect())
}

/// Places, in order, and what stands there instead.
type Found = Vec<(Range<usize>, &'static str)>;

fn replace(letters: &[char], found: &Found) -> Vec<char> {
    let mut text = Vec::with_capacity(letters.len());
    let mut at = 0;
    for (place, word) in found {
        text.extend_from_slice(&letters[at..place.start]);
        text.extend(word.chars());
        at = place.end;
    }
    text.extend_from_slice(&letters[at..]);
    text
}

fn is_at(c: char) -> bool {
    matches!(c, '@' | '＠')
}

// ---- e-mail addresses --------------------------------------------------------------------------------

fn emails(letters: &[char]) -> Found {
    let mut found = Found::new();
    for at in ats(letters) {
        // One space on either side, as some write it.
        let left = at.start - usize::from(at.start > 0 && letters[at.start - 1] == ' ');
        let right = at.end + usize::from(letters.get(at.end) == Some(&' '));
        let (Some(end), Some(start)) = (end_of_host(letters, right), start_of_local(letters, left)) else {
            continue;
        };
        let from = found.last().map_or(0, |(place, _)| place.end);
        // What stands in quotation marks may hold another address.
        if letters[start] == '"' {
            while found.pop_if(|(place, _)| place.start >= start).is_some() {}
        } else if start < from {
            if left <= from {
                continue;
            }
            found.push((from..end, EMAIL));
            continue;
        }
        found.push((start..end, EMAIL));
    }
    found
}

/// `@`, or `at` in brackets.
fn ats(letters: &[char]) -> Vec<Range<usize>> {
    let places = 0..letters.len();
    places
        .filter_map(|at| if is_at(letters[at]) { Some(at..at + 1) } else { in_brackets(letters, at, "at") })
        .collect()
}

/// A word in brackets that begins here, spaces around the word and before the bracket included.
fn in_brackets(letters: &[char], at: usize, word: &str) -> Option<Range<usize>> {
    let spaces =
        |from: usize| letters[from.min(letters.len())..].iter().take_while(|c| **c == ' ').take(2).count();
    let close = match letters.get(at)? {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        _ => return None,
    };
    let start = at + 1 + spaces(at + 1);
    let end = start + word.len();
    let is_word = letters.get(start..end)?.iter().collect::<String>().eq_ignore_ascii_case(word);
    let end = end + spaces(end);
    (is_word && letters.get(end) == Some(&close)).then_some(at..end + 1)
}

/// Where what stands before the `@` begins, if it names anybody: an atom of RFC 5322, or a text in quotation marks.
fn start_of_local(letters: &[char], left: usize) -> Option<usize> {
    let is_local = |c: char| c.is_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~’".contains(c);
    if left > 1 && letters[left - 1] == '"' {
        let before = letters[..left - 1].iter().rev().take(MOST_QUOTED).take_while(|c| **c != '\n');
        return before.enumerate().find(|(_, c)| **c == '"').map(|(back, _)| left - 2 - back);
    }
    let length = letters[..left].iter().rev().take_while(|c| is_local(**c)).count();
    (length > 0).then_some(left - length)
}

/// Where a host ends that begins here: a name with an ending, or an address of the Internet, in brackets or not.
fn end_of_host(letters: &[char], from: usize) -> Option<usize> {
    let rest = letters.get(from..)?;
    if rest.first() == Some(&'[') {
        let length = rest.iter().take(MOST_LITERAL).position(|c| *c == ']')?;
        let is_literal = |c: &char| c.is_ascii_alphanumeric() || ".:".contains(*c);
        let has_digit = rest[1..length].iter().any(char::is_ascii_digit);
        return (has_digit && rest[1..length].iter().all(is_literal)).then_some(from + length + 1);
    }
    let (mut name, mut at, mut end) = (Vec::new(), from, None);
    loop {
        let label = letters[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '-').count();
        name.extend_from_slice(&letters[at..at + label]);
        at += label;
        let whole: Vec<char> = name.iter().rev().skip_while(|c| !c.is_alphanumeric()).copied().collect();
        let whole: Vec<char> = whole.into_iter().rev().collect();
        if label > 0 && (has_ending(&whole) || is_ip(&whole)) {
            end = Some(at - (name.len() - whole.len()));
        }
        let space = at + usize::from(letters.get(at) == Some(&' '));
        at = match (letters.get(at), in_brackets(letters, space, "dot")) {
            (Some('.'), _) if label > 0 => at + 1,
            (_, Some(dot)) if label > 0 => dot.end + usize::from(letters.get(dot.end) == Some(&' ')),
            _ => return end,
        };
        name.push('.');
    }
}

fn is_ip(host: &[char]) -> bool {
    let parts: Vec<&[char]> = host.split(|c| *c == '.').collect();
    parts.len() == 4
        && parts.iter().all(|part| (1..=3).contains(&part.len()) && part.iter().all(char::is_ascii_digit))
}

/// Whether a host's name ends as those of the Internet do.
fn has_ending(domain: &[char]) -> bool {
    let mut labels = domain.rsplit(|c| *c == '.');
    let last = labels.next().unwrap_or_default();
    let is_word = last.iter().all(|c| c.is_alphabetic()) || last.starts_with(&['x', 'n', '-', '-']);
    last.len() >= 2 && is_word && labels.next().is_some_and(|label| !label.is_empty())
}

// ---- numbers -----------------------------------------------------------------------------------------

/// A digit of those scripts in which people type numbers.
fn digit(c: char) -> Option<u32> {
    let of = |zero: u32| (zero..zero + 10).contains(&u32::from(c)).then(|| u32::from(c) - zero);
    [0x30, 0xff10, 0x0660, 0x06f0, 0x0966].into_iter().find_map(of)
}

fn is_between(c: char) -> bool {
    " \u{a0}\u{202f}\u{2009}-‐‑–—−－./／()（）_+·・‧∙•~～".contains(c) || is_tight(c)
}

/// Between the groups of one number only where no space is beside it; else it stands between two numbers.
fn is_tight(c: char) -> bool {
    ",，:：".contains(c)
}

fn numbers(letters: &[char]) -> Found {
    let mut found = Found::new();
    let mut at = 0;
    while at < letters.len() {
        if digit(letters[at]).is_none() {
            at += 1;
            continue;
        }
        let groups = groups(letters, at);
        at = groups.last().map_or(at + 1, |group| group.end);
        // A date ends one number and begins another.
        let mut first = 0;
        let mut place = 0;
        while place < groups.len() {
            let aside = match is_date(letters, &groups[place..]) {
                true => 3,
                false => time(letters, &groups[place..]),
            };
            if aside > 0 {
                found.extend(judge(letters, &groups[first..place]));
                first = place + aside;
            }
            place += aside.max(1);
        }
        found.extend(judge(letters, &groups[first.min(groups.len())..]));
    }
    found
}

/// The groups of digits of one number, from its first digit.
fn groups(letters: &[char], from: usize) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = from;
    loop {
        let length = letters[start..].iter().take_while(|c| digit(**c).is_some()).count();
        let end = start + length;
        groups.push(start..end);
        let between = letters[end..].iter().take_while(|c| is_between(**c)).count();
        let next = end + between;
        if between > 1 && letters[end..next].iter().any(|c| is_tight(*c)) {
            return groups;
        }
        if between == 0 || between > MOST_BETWEEN || letters.get(next).copied().and_then(digit).is_none() {
            return groups;
        }
        start = next;
    }
}

/// What the groups are, if they are to go.
fn judge(letters: &[char], groups: &[Range<usize>]) -> Option<(Range<usize>, &'static str)> {
    let (first, last) = (groups.first()?, groups.last()?);
    let digits: usize = groups.iter().map(Range::len).sum();
    let before = letters[..first.start].iter().rev().take_while(|c| "+(".contains(**c)).count();
    let start = first.start - before;
    let is_international = letters[start..first.start].contains(&'+')
        || (digit(letters[first.start]) == Some(0)
            && letters.get(first.start + 1).copied().and_then(digit) == Some(0));
    let lengths: Vec<usize> = groups.iter().map(Range::len).collect();
    let is_written_so = matches!(lengths.as_slice(), [2, 2, 2, 2] | [4, 4] | [2, 3, 3] | [3, 2, 3] | [3, 4])
        && groups.windows(2).all(|two| !matches!(letters[two[0].end..two[1].start], ['.' | ',' | ':']));
    let is_phone = digits >= LEAST_PHONE || is_written_so || (is_international && digits >= 8);
    let word = if has_card(letters, groups) {
        CARD
    } else if !is_phone || is_amount(letters, groups) {
        return None;
    } else if digits <= MOST_PHONE {
        PHONE
    } else {
        NUMBER
    };
    Some((start..last.end, word))
}

/// Whether some of the groups are a card number: of its length, with its check digit.
fn has_card(letters: &[char], groups: &[Range<usize>]) -> bool {
    (0..groups.len()).any(|first| {
        (first..groups.len()).any(|last| {
            let digits: Vec<u32> = groups[first..=last]
                .iter()
                .flat_map(|group| &letters[group.clone()])
                .filter_map(|c| digit(*c))
                .collect();
            CARD_DIGITS.contains(&digits.len()) && luhn(&digits)
        })
    })
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => *digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// `1.234.567,00`, `1,234.5`, `12345678.90`: thousands, and one or two digits behind another sign.
fn is_amount(letters: &[char], groups: &[Range<usize>]) -> bool {
    let signs: Vec<&[char]> = groups.windows(2).map(|two| &letters[two[0].end..two[1].start]).collect();
    let (Some((last, thousands)), Some(cents)) = (signs.split_last(), groups.last()) else { return false };
    let has_cents = cents.len() <= 2 && matches!(last, ['.' | ',']);
    let of_three = groups[1..groups.len() - 1].iter().all(|group| group.len() == 3);
    let of_one_sign = thousands
        .iter()
        .all(|sign| *sign == thousands[0] && matches!(sign, ['.' | ','] | [' ']) && sign != last);
    has_cents && of_three && of_one_sign && (thousands.is_empty() || groups[0].len() <= 3)
}

/// How many groups are a time of day, from the first on: `10:30`, `10:30:05`, `10:30:05.123`; none: 0.
fn time(letters: &[char], groups: &[Range<usize>]) -> usize {
    let is_colon =
        |at: usize| groups.get(at + 1).is_some_and(|next| letters[groups[at].end..next.start] == [':']);
    let value = |at: usize| -> u32 {
        letters[groups[at].clone()]
            .iter()
            .filter_map(|c| digit(*c))
            .fold(0, |value, digit| value * 10 + digit)
    };
    let is_part = |at: usize| groups[at].len() == 2 && value(at) < 60;
    if !is_colon(0) || groups[0].len() > 2 || value(0) > 24 || !is_part(1) {
        return 0;
    }
    match (is_colon(1), is_colon(2)) {
        (false, _) => 2,
        (true, false) if is_part(2) => {
            let has_fraction = groups
                .get(3)
                .is_some_and(|next| letters[groups[2].end..next.start] == ['.'] && next.len() <= 6);
            if has_fraction { 4 } else { 3 }
        }
        _ => 0,
    }
}

/// `2026-11-01`, `1/11/2026`, `01.11.2026`.
fn is_date(letters: &[char], groups: &[Range<usize>]) -> bool {
    let [a, b, c, ..] = groups else { return false };
    let sign = &letters[a.end..b.start];
    if sign != &letters[b.end..c.start] || !matches!(sign, ['-' | '.' | '/']) {
        return false;
    }
    let value = |group: &Range<usize>| {
        letters[group.clone()]
            .iter()
            .filter_map(|c| digit(*c))
            .fold(0, |value: u32, digit| value.saturating_mul(10).saturating_add(digit))
    };
    let (year, short) = match (a.len(), c.len()) {
        (4, 1 | 2) => (value(a), [b, c]),
        (1 | 2, 4) => (value(c), [a, b]),
        _ => return false,
    };
    let small = short.map(value);
    let fits = short.iter().all(|group| group.len() <= 2) && small.iter().all(|part| (1..=31).contains(part));
    (1900..2100).contains(&year) && fits && small.iter().any(|part| *part <= 12)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_names_a_person_goes_and_the_rest_stays() {
        for (text, expected) in [
            ("write to Anna.Lee+1@shop-mail.example.", "write to [e-mail]."),
            ("anna @ shop.example, or bob＠bär.de!", "[e-mail], or [e-mail]!"),
            ("a@b.co,c@d.co;e@f.g.org", "[e-mail],[e-mail];[e-mail]"),
            ("price @ 10.30 and me@home", "price @ 10.30 and me@home"),
            ("call +34 600 123 456 please", "call [phone] please"),
            ("(030) 1234-5678, 0049 30 123456", "[phone], [phone]"),
            ("tel. 612345678.", "tel. [phone]."),
            ("555-1234 or 12 34 56 78", "[phone] or [phone]"),
            ("٠٦١٢٣٤٥٦٧٨", "[phone]"),
            ("card 4111 1111 1111 1111 12/27", "card [card]"),
            ("4111111111111111", "[card]"),
            ("5500-0000-0000-0004", "[card]"),
            ("ES91 2100 0418 4502 0005 1332", "ES[number]"),
            ("\"anna lee\"@shop.example, ana@[10.0.0.1], bo@10.0.0.1", "[e-mail], [e-mail], [e-mail]"),
            ("\"a@b.co\"@shop.example", "[e-mail]"),
            ("anna(at)shop.example or bob [AT] shop (dot) example", "[e-mail] or [e-mail]"),
            ("user!x#y@shop.example, o'neil/x=y@b.co", "[e-mail], [e-mail]"),
            ("at 600,123,456 or 600·123·456", "at [phone] or [phone]"),
            ("4111,1111,1111,1111", "[card]"),
            ("6 00~12 34 56, 600:123:456", "[phone], [phone]"),
            // What stays.
            ("(at) home [at all], {at} 10.30", "(at) home [at all], {at} 10.30"),
            ("2026-11-01 10:30:05.123 and 10:30", "2026-11-01 10:30:05.123 and 10:30"),
            ("50,00 20,00; 12,345,678", "50,00 20,00; 12,345,678"),
            ("600.123.456,78 and 600,123,456.7", "600.123.456,78 and 600,123,456.7"),
            ("ordered 2026-11-01, came 03/12/2026 10:30", "ordered 2026-11-01, came 03/12/2026 10:30"),
            ("on 2026-11-01 12:30 I paid 1.234.567,00", "on 2026-11-01 12:30 I paid 1.234.567,00"),
            ("12345678.90 for 3 pieces, 24 h", "12345678.90 for 3 pieces, 24 h"),
            ("order 1234567, 5 stars", "order 1234567, 5 stars"),
            ("2026-11-01 +34 600 123 456", "2026-11-01 [phone]"),
            ("", ""),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
    }

    #[test]
    fn the_check_digit_decides_what_a_card_is() {
        assert_eq!(redact("4111 1111 1111 1112"), "[number]");
        assert!(luhn(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3]) && !luhn(&[7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 0]));
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_what_is_redacted_stays_so(text in "[ -~äß＠٣\u{a0}\n]{0,60}") {
            let once = redact(&text).into_owned();
            prop_assert_eq!(redact(&once), once.clone());
        }

        #[test]
        fn an_address_never_stays(before in "[a-z ]{0,9}", local in "[a-z0-9._+-]{1,12}", domain in "[a-z0-9]{1,8}\\.[a-z]{2,6}", after in "[,;! ]?[a-z ]{0,9}") {
            let address = format!("{local}@{domain}");
            let text = format!("{before} {address}{after}");
            prop_assert!(!redact(&text).contains(&address));
        }

        // Groups of three digits and more are no date, no time and no amount: nothing excuses them.
        #[test]
        fn nine_digits_in_groups_never_stay(
            groups in proptest::collection::vec("[0-9]{3,5}", 3..8),
            signs in proptest::collection::vec("[ .()~·•_+/-]{1,3}|[,:]", 8),
            word in "[a-z]{0,5}",
        ) {
            let number: String = groups.iter().zip(&signs).map(|(group, sign)| format!("{group}{sign}")).collect();
            let redacted = redact(&format!("{word}: {number} {word}")).into_owned();
            prop_assert!(!redacted.contains(|c: char| c.is_ascii_digit()), "{number} -> {redacted}");
        }

        // Nor do these signs stand in dates, times and amounts, however long the groups are.
        #[test]
        fn nine_digits_never_stay(
            digits in proptest::collection::vec((0u32..10, "[ ()~·_+]{0,3}"), 9..24),
            word in "[a-z]{0,5}",
        ) {
            let number: String = digits.iter().map(|(digit, between)| format!("{digit}{between}")).collect();
            let redacted = redact(&format!("{word}: {number} {word}")).into_owned();
            prop_assert!(!redacted.contains(|c: char| c.is_ascii_digit()), "{number} -> {redacted}");
        }

        #[test]
        fn an_address_of_any_form_never_stays(
            local in "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}|\"[a-z ]{1,12}\"",
            at in "@| @ |\\(at\\)| \\[at\\] ",
            host in "[a-z0-9]{1,8}\\.[a-z]{2,6}|\\[[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]\\.[0-9]\\]|[a-z]{2,8} \\(dot\\) [a-z]{2,6}",
        ) {
            let redacted = redact(&format!("to {local}{at}{host}; so")).into_owned();
            prop_assert_eq!(redacted, "to [e-mail]; so");
        }
    }
}
