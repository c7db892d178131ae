//! Titles as a search compares them: without case, accents and punctuation. "ÉLÉGIE", "élégie" and "Elegie" are
//! one word, and so are "Straße" and "STRASSE".

use unicode_normalization::UnicodeNormalization as _;

/// `text` in words of lower case without accents, with a space between them. What has a meaning of its own in
/// SQL's `LIKE` is punctuation, so none of it is left.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in spread(text).split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded
}

/// The words of `text`, each once and as short as what was typed: a word that is a part of another one says
/// nothing more than that.
pub fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    let all: Vec<&str> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    let is_said = |place: usize, word: &str| {
        all.iter().enumerate().any(|(other, longer)| {
            other != place && longer.contains(word) && (longer.len() > word.len() || other < place)
        })
    };
    let kept = all.iter().enumerate().filter(|(place, word)| !is_said(*place, word));
    kept.map(|(_, word)| (*word).to_owned()).collect()
}

fn spread(text: &str) -> String {
    let mut spread = String::with_capacity(text.len());
    // To upper case first: that is what makes "ß" two letters, and one of the two small sigmas.
    for c in text.nfkd().flat_map(char::to_uppercase).flat_map(char::to_lowercase) {
        match c {
            // Accents, and what chooses between the pictures of an emoji.
            '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => {}
            // Within words: "Patron's", "L’Atalante".
            '\'' | '‘' | '’' | '`' => {}
            // Letters that are no other letter with an accent, and are typed as one.
            'ø' => spread.push('o'),
            'ł' => spread.push('l'),
            'đ' | 'ð' => spread.push('d'),
            'æ' => spread.push_str("ae"),
            'œ' => spread.push_str("oe"),
            'þ' => spread.push_str("th"),
            c if is_between_words(c) => spread.push(' '),
            c => spread.push(c),
        }
    }
    spread
}

fn is_between_words(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || c.is_ascii_punctuation()
        || matches!(c, '¡' | '§' | '«' | '»' | '¶' | '·' | '¿')
        || matches!(c, '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_punctuation_make_no_difference() {
        for (text, folded) in [
            ("Metropolis", "metropolis"),
            ("  ÄRGER  im\tHaus ", "arger im haus"),
            ("Élégie", "elegie"),
            ("E\u{301}le\u{301}gie", "elegie"),
            ("Straße", "strasse"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("Σίσυφος", "σισυφοσ"),
            ("İstanbul ısı", "istanbul isi"),
            ("Łódź, Ærø & Þór", "lodz aero thor"),
            ("Steamboat Bill, Jr. (family)", "steamboat bill jr family"),
            ("Patron’s box — opening", "patrons box opening"),
            ("100% of_it\\", "100 of it"),
            ("a\0b", "a b"),
            ("日本語 🎭", "日本語 🎭"),
            ("½ ﬁlm", "1 2 film"),
            ("--", ""),
        ] {
            assert_eq!(fold(text), folded, "{text}");
            assert_eq!(fold(folded), folded, "what is folded stays as it is");
        }
    }

    #[test]
    fn a_word_is_looked_for_once() {
        assert_eq!(words("live Live organ LIVE"), ["live", "organ"]);
        assert_eq!(words("metro metropolis polis"), ["metropolis"]);
        assert!(words(" % _ ").is_empty());
    }
}
