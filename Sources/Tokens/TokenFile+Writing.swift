import Documents
import Foundation

extension TokenFile {
  /// Turns text files into one token file with its description beside it.
  ///
  /// Texts follow one another; behind each the tokenizer's end-of-text token is put, if it has one.
  /// Both files appear under their names when they are whole.
  ///
  /// - Returns: the file that was written.
  /// - Throws: `ConfigurationError` for a text that cannot be read or is empty, for an output that may
  ///   not be written, and, of the status `.storage`, where the disk refuses.
  @discardableResult public static func write(
    texts: [String], to output: String, tokenizer named: NamedTokenizer
  ) throws(ConfigurationError) -> TokenFile {
    let places = try places(of: output, reading: texts + [named.file].compactMap { $0 })
    let tokenizer = named.tokenizer
    let width = Width(vocabulary: tokenizer.vocabularySize)
    var file = try OutputFile(places.tokens, limit: .max)
    var count = 0
    for text in texts {
      var tokens = try tokenizer.encode(TokenData.text(text), file: text)
      if let end = tokenizer.endOfText { tokens.append(end) }
      guard !tokens.isEmpty else { throw ConfigurationError(file: text, rule: "is empty") }
      try file.write(bytes(of: tokens, width))
      count += tokens.count
    }
    let description = TokenFileDescription(width: width, tokens: count, named)
    try OutputFile.write(description.text, to: places.description)
    try file.close()
    return try TokenFile(path: output)
  }

  /// Where a token file and its description go.
  ///
  /// Only what sluice wrote is replaced: tokens with their description beside them. The description's
  /// name is not one that a person chose, so only another description makes room for it.
  private static func places(
    of output: String, reading inputs: [String]
  ) throws(ConfigurationError) -> (tokens: OutputPath, description: OutputPath) {
    let tokens = try OutputPath(output, besides: inputs)
    let beside = TokenFileDescription.path(beside: output)
    let description = try OutputPath(beside, besides: inputs + [output])
    let old = try? TokenFileDescription.beside(output)
    if FileManager.default.fileExists(atPath: beside), old == nil {
      throw ConfigurationError(
        file: beside,
        rule: "cannot be written: it is there and describes no token file; choose another name")
    }
    guard fileSize(output) == 0 || old?.isComplete == true else {
      throw ConfigurationError(
        file: output,
        rule: "cannot be written: it is there, and no \(beside) says that sluice data wrote it; "
          + "choose another name")
    }
    return (tokens, description)
  }

  private static func bytes(of tokens: [Int], _ width: Width) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(tokens.count * width.size)
    for token in tokens {
      for place in 0..<width.size { bytes.append(UInt8(truncatingIfNeeded: token >> (8 * place))) }
    }
    return bytes
  }
}
