import Documents

/// One option of a launcher, as it was written.
struct GivenOption: Hashable, Sendable {
  /// The name under which it is looked for: `tensor-model-parallel-size`, `training.seq_len`.
  var name: String
  /// The name as the file has it.
  var spelling: String
  /// The values behind it; none for a flag that stands alone.
  var values: [String]
  var file: String
  var line: Int?
  /// Whether nobody wrote it: a launcher's default that decides.
  var isDefault = false
  /// What stands there, where the spelling means another value of the option.
  var written: String?
  /// Whether it stands on a command line, where argparse reads it: `64.0` and nothing are no whole numbers.
  var isTyped = false

  /// The values in one text, as they would be typed.
  var text: String { values.joined(separator: " ") }
}

/// One line of an import: what an option says, and what became of it.
public struct ExplainedOption: Hashable, Sendable, Encodable {
  /// What an option is to sluice.
  public enum Sense: String, Hashable, Sendable, CaseIterable, Encodable {
    /// It is in the model or in the plan.
    case understood
    /// It was not written, and the launcher's default decides something.
    case implied
    /// It changes neither time nor memory of a step.
    case costless
    /// It changes time or memory in a way that no key describes.
    case unmodelled
    /// Nobody here knows it.
    case unknown

    /// In words, for pages.
    public var words: String {
      switch self {
      case .understood: "understood"
      case .implied: "implied"
      case .costless: "without meaning for cost"
      case .unmodelled: "not modelled"
      case .unknown: "unknown"
      }
    }
  }

  /// The file that says it; nil for what is implied.
  public var file: String?
  /// The line, from 1; nil for what is implied.
  public var line: Int?
  public var option: String
  /// The value as written, or the launcher's default; empty for a flag.
  public var value: String
  public var sense: Sense
  /// What became of it, or why nothing did.
  public var meaning: String
}
