//! SQL text in, statements and words out, with the positions a frontend names in its syntax errors; never judges meaning.

/// One word of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Text without quotes.
    pub(super) text: String,
    /// Characters before it in its statement.
    pub(super) column: usize,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A bare word, number, dotted name or `@@variable`; back-ticked names too.
    Word,
    /// Text in single or double quotes.
    Text,
    /// A single punctuation character.
    Symbol,
}

/// Splits a text into its statements on `;` outside quotes (real-fe.md §1: one COM_QUERY may carry several).
pub(super) fn split(sql: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut current = String::new();
    let mut quote: Option<char> = None;
    for character in sql.chars() {
        match quote {
            Some(open) if open == character => quote = None,
            None if matches!(character, '\'' | '"' | '`') => quote = Some(character),
            None if character == ';' => {
                statements.push(std::mem::take(&mut current));
                continue;
            }
            Some(_) | None => {}
        }
        current.push(character);
    }
    statements.push(current);
    statements.into_iter().map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}

/// Cuts one statement into words.
pub(super) fn tokenize(statement: &str) -> Vec<Token> {
    let characters: Vec<char> = statement.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        let column = at;
        if character.is_whitespace() {
            at += 1;
        } else if matches!(character, '\'' | '"') {
            let end = closing(&characters, at);
            tokens.push(Token { kind: TokenKind::Text, text: characters[at + 1..end].iter().collect(), column });
            at = end + 1;
        } else if character == '`' || is_word(character) {
            // `database`.`table` is one name.
            let mut text = String::new();
            while let Some(&character) = characters.get(at).filter(|character| **character == '`' || is_word(**character)) {
                if character == '`' {
                    let end = closing(&characters, at);
                    text.extend(&characters[at + 1..end]);
                    at = end + 1;
                } else {
                    text.push(character);
                    at += 1;
                }
            }
            tokens.push(Token { kind: TokenKind::Word, text, column });
        } else {
            tokens.push(Token { kind: TokenKind::Symbol, text: character.to_string(), column });
            at += 1;
        }
    }
    tokens
}

/// Where the quote that opens at `from` closes.
fn closing(characters: &[char], from: usize) -> usize {
    (from + 1..characters.len()).find(|index| characters[*index] == characters[from]).unwrap_or(characters.len())
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '@' | '.' | '$' | '-')
}

/// Walks over the words of one statement.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    tokens: Vec<Token>,
    at: usize,
    length: usize,
}

impl Cursor {
    pub(super) fn new(statement: &str) -> Self {
        Self { tokens: tokenize(statement), at: 0, length: statement.chars().count() }
    }

    /// Steps over the given keywords if all of them follow, in any case; otherwise stays.
    pub(super) fn eat(&mut self, keywords: &str) -> bool {
        let mut at = self.at;
        for keyword in keywords.split(' ') {
            match self.tokens.get(at) {
                Some(token) if token.kind != TokenKind::Text && token.text.eq_ignore_ascii_case(keyword) => at += 1,
                _ => return false,
            }
        }
        self.at = at;
        true
    }

    /// The next word, whatever it is.
    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// The next word if it is quoted text.
    pub(super) fn text(&mut self) -> Option<String> {
        match self.tokens.get(self.at) {
            Some(token) if token.kind == TokenKind::Text => self.next().map(|token| token.text),
            _ => None,
        }
    }

    /// The next word if it is a name, bare or quoted.
    pub(super) fn name(&mut self) -> Option<String> {
        match self.tokens.get(self.at) {
            Some(token) if token.kind != TokenKind::Symbol => self.next().map(|token| token.text),
            _ => None,
        }
    }

    /// The word that follows, without stepping.
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// All words that follow.
    pub(super) fn rest(&self) -> &[Token] {
        self.tokens.get(self.at..).unwrap_or_default()
    }

    /// Whether nothing follows.
    pub(super) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// Quoted texts separated by commas.
    pub(super) fn text_list(&mut self) -> Vec<String> {
        let mut list = Vec::new();
        while let Some(text) = self.text() {
            list.push(text);
            if !self.eat(",") {
                break;
            }
        }
        list
    }

    /// The frontend's complaint about the word that follows, with what it would have liked.
    pub(super) fn unexpected(&self, wanted: &str) -> String {
        let (column, text) = self.peek().map_or((self.length, "<EOF>".to_owned()), |token| (token.column, token.text.clone()));
        format!(
            "Getting syntax error at line 1, column {column}. Detail message: Unexpected input '{text}', the most similar input is {{{wanted}}}."
        )
    }

    /// The frontend's complaint about a statement it has never heard of: its first two words are named.
    pub(super) fn not_viable(&self) -> String {
        let named = self.tokens.get(..2.min(self.tokens.len())).unwrap_or_default();
        let words: Vec<&str> = named.iter().map(|token| token.text.as_str()).collect();
        let column = named.last().map_or(0, |token| token.column);
        format!("Getting syntax error at line 1, column {column}. Detail message: No viable statement for input '{}'.", words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_split_on_semicolons_outside_quotes() {
        assert_eq!(split("select 1; set password = password('a;b') ; "), vec!["select 1", "set password = password('a;b')"]);
    }

    #[test]
    fn syntax_errors_name_the_column_that_a_frontend_names() {
        let mut cursor = Cursor::new(
            r#"ALTER SYSTEM ADD FOLLOWER "fe-1.fe-search.ns1.svc.cluster.local:9010","fe-2.fe-search.ns1.svc.cluster.local:9010""#,
        );
        assert!(cursor.eat("alter system add follower"));
        assert!(cursor.text().is_some());
        assert_eq!(
            cursor.unexpected("<EOF>, ';'"),
            "Getting syntax error at line 1, column 69. Detail message: Unexpected input ',', the most similar input is {<EOF>, ';'}."
        );
        assert_eq!(
            Cursor::new("show brokers").not_viable(),
            "Getting syntax error at line 1, column 5. Detail message: No viable statement for input 'show brokers'."
        );
    }
}
