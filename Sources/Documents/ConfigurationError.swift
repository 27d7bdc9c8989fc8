/// What is wrong with a file that a person wrote, and where.
public struct ConfigurationError: Error, Hashable, Sendable {
  /// The file as it was named, or `--set` for an override on the command line.
  public var file: String
  /// The line, counted from one; nil when the file as a whole is meant.
  public var line: Int?
  /// The path to the key, `node.link.bandwidth`; empty when the file as a whole is meant.
  public var keyPath: String
  /// The value that was found there, if it is a scalar.
  public var value: String?
  /// The rule that is broken, as the end of a sentence.
  public var rule: String
  /// The valid name that is nearest to what was written.
  public var suggestion: String?
  /// What the program ends with: bad input, unless the system refused to read or write.
  public var status = ExitStatus.badInput

  public init(
    file: String, line: Int? = nil, keyPath: String = "", value: String? = nil, rule: String,
    suggestion: String? = nil, status: ExitStatus = .badInput
  ) {
    self.file = file
    self.line = line
    self.keyPath = keyPath
    self.value = value
    self.rule = rule
    self.suggestion = suggestion
    self.status = status
  }
}

extension ConfigurationError: CustomStringConvertible {
  /// One line: `plan.yaml:7: tensor-paralel: unknown key; did you mean tensor-parallel?`.
  public var description: String {
    var place = printable(file)
    if let line { place += ":\(line)" }
    var parts = [place]
    if !keyPath.isEmpty { parts.append(printable(keyPath)) }
    if let value { parts.append("\"\(printable(value))\"") }
    // Rules speak of other files and keys.
    parts.append(printable(rule, atMost: .max))
    let message = parts.joined(separator: ": ")
    guard let suggestion else { return message }
    return "\(message); did you mean \(printable(suggestion))?"
  }
}
