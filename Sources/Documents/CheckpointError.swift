/// What is wrong with a checkpoint, or with the disk that it should go to.
public struct CheckpointError: Error, Hashable, Sendable {
  /// What kind of trouble it is, for the exit status.
  public enum Kind: Hashable, Sendable {
    /// Cut short, altered, or not a checkpoint at all.
    case damaged
    /// Sound, but not of this model or not for this use.
    case mismatched
    /// The operating system refused to read or write: no space, no permission, no such file.
    case system
  }

  public var kind: Kind
  /// The file or folder.
  public var file: String
  /// The tensor that the trouble is about, if it is about one.
  public var tensor: String?
  /// What is wrong, as the end of a sentence.
  public var rule: String

  public init(_ kind: Kind, file: String, tensor: String? = nil, rule: String) {
    self.kind = kind
    self.file = file
    self.tensor = tensor
    self.rule = rule
  }
}

extension CheckpointError: CustomStringConvertible {
  /// One line: `step-00000100/model-00001-of-00002.safetensors: lm_head.weight: is cut short`.
  public var description: String {
    [file, tensor, rule].compactMap { $0 }.map { printable($0, atMost: 400) }
      .joined(separator: ": ")
  }
}

extension JSONValue {
  /// Reads the JSON of a checkpoint's file.
  package init(_ bytes: [UInt8], of file: String) throws(CheckpointError) {
    do throws(Failure) {
      try self.init(bytes)
    } catch {
      throw CheckpointError(
        .damaged, file: file, rule: "\(error.rule), at byte \(error.offset)")
    }
  }
}
