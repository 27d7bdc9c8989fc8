import Documents

/// A Hugging Face `tokenizer.json` with one token for each of some characters.
public struct CharacterTokenizer: Hashable, Sendable {
  /// The characters in the order of their numbers in Unicode, none twice.
  let characters: [Unicode.Scalar]

  /// The token that ends a text, and the one of every character that has no other.
  static let special = ["<|endoftext|>", "<unk>"]

  public init(characters: String) {
    self.characters = Set(characters.unicodeScalars).sorted { $0.value < $1.value }
  }

  /// Tokens in all.
  public var vocabularySize: Int { Self.special.count + characters.count }

  /// The file's text.
  public var json: String {
    let tokens = Self.special + characters.map { String($0) }
    let added = Self.special.enumerated().map { number, token in
      "{\"id\": \(number), \"content\": \(JSONValue.quoted(token)), \"single_word\": false, "
        + "\"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true}"
    }
    let vocabulary = tokens.enumerated().map { "\(JSONValue.quoted($1)): \($0)" }
    return """
      {
        "version": "1.0",
        "added_tokens": [
          \(added.joined(separator: ",\n    "))
        ],
        "normalizer": null,
        "pre_tokenizer": null,
        "post_processor": null,
        "decoder": {"type": "Fuse"},
        "model": {
          "type": "BPE",
          "unk_token": "\(Self.special[1])",
          "fuse_unk": false,
          "byte_fallback": false,
          "vocab": {\(vocabulary.joined(separator: ", "))},
          "merges": []
        }
      }

      """
  }
}
