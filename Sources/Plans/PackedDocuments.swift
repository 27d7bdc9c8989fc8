import Documents

/// The documents that sequences are made of: how long they are, how they are packed, and whether attention
/// ends at their borders.
public struct PackedDocuments: Hashable, Sendable {
  /// Where the lengths of documents come from.
  public enum Lengths: Hashable, Sendable {
    /// A file with a length in tokens on each line, taken in order and again from its start.
    case file(String)
    /// Drawn from a logarithmic normal distribution with this mean in tokens and this standard deviation
    /// relative to it.
    case distribution(mean: Double, deviation: Double, seed: UInt64)
  }

  /// How documents fill sequences.
  public enum Packing: String, Hashable, Sendable, CaseIterable {
    /// One behind the other, cut where a sequence ends.
    case cut
    /// Whole ones, as many as fit one behind the other; the rest of a sequence is padding. Only what is
    /// longer than a sequence is cut.
    case whole
  }

  /// What a token attends to.
  public enum Mask: String, Hashable, Sendable, CaseIterable {
    /// What stands before it in its document.
    case document
    /// What stands before it in its sequence.
    case none
  }

  public var lengths: Lengths
  public var packing: Packing
  public var mask: Mask

  public init(_ lengths: Lengths, packing: Packing = .cut, mask: Mask = .document) {
    (self.lengths, self.packing, self.mask) = (lengths, packing, mask)
  }

  /// The path of its file, if it has one.
  public var file: String? { if case .file(let path) = lengths { path } else { nil } }
}

/// The keys of `documents`.
struct DocumentKeys: KeySet {
  let lengths = EitherKey(
    Key(
      "lengths", .text("path of a file"),
      "Tokens of documents: a file with a number on each line, or a distribution."),
    DocumentLengthKeys())
  let packing = Key(
    "packing", .choice(PackedDocuments.Packing.self), default: .cut,
    "How they fill sequences: cut where a sequence ends, or whole ones with padding behind them, which counts "
      + "as no token.")
  let mask = Key(
    "mask", .choice(PackedDocuments.Mask.self), default: .document,
    "Attention within documents, or over whole sequences.")
}

/// The keys of a distribution of lengths.
struct DocumentLengthKeys: KeySet {
  let mean = Key("mean", .number(in: 1...1e9), "Tokens of a document in the mean.")
  let deviation = Key(
    "deviation", .number(in: 0...100), default: 1,
    "Standard deviation relative to the mean, of a logarithmic normal distribution.")
  let seed = Key("seed", .integer(), default: 0, "From where lengths are drawn.")
}

extension PackedDocuments {
  /// - Parameter absolute: the path of a file that a plan's file names.
  init(
    _ table: Table, _ keys: DocumentKeys, absolute: (String, Field?) -> String
  ) throws(ConfigurationError) {
    switch try table.either(keys.lengths) {
    case .plain(let path)?:
      lengths = .file(absolute(path, table.field(keys.lengths.plain.name)))
    case .table(let drawn)?:
      let keys = keys.lengths.keys
      lengths = .distribution(
        mean: try drawn.required(keys.mean), deviation: try drawn.value(keys.deviation),
        seed: UInt64(try drawn.value(keys.seed)))
    default: throw table.error("needs lengths: a file or {mean: …}")
    }
    packing = try table.value(keys.packing)
    mask = try table.value(keys.mask)
  }

  /// The lengths of a file.
  ///
  /// - Throws: `ConfigurationError` with file, line and rule.
  package static func lengths(file path: String) throws(ConfigurationError) -> [Int] {
    let lines = try textFile(path).split(separator: "\n", omittingEmptySubsequences: false)
    var lengths: [Int] = []
    for (index, line) in lines.enumerated() {
      let text = line.filter { !$0.isWhitespace }
      if text.isEmpty { continue }
      guard let length = Int(text), length > 0, length <= 1 << 40 else {
        throw ConfigurationError(
          file: path, line: index + 1, value: String(line.prefix(40)),
          rule: "expected the tokens of a document, a whole number above 0")
      }
      lengths.append(length)
    }
    guard !lengths.isEmpty else { throw ConfigurationError(file: path, rule: "is empty") }
    return lengths
  }

  /// The value as a plan's file has it.
  var yaml: String {
    let lengths =
      switch lengths {
      case .file(let path):
        "\"\(path.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
      case .distribution(let mean, let deviation, let seed):
        "{mean: \(mean), deviation: \(deviation), seed: \(seed)}"
      }
    return "{lengths: \(lengths), packing: \(packing.rawValue), mask: \(mask.rawValue)}"
  }
}
