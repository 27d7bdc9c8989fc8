import Foundation

/// `embed-files OUTPUT FILE…`: writes a Swift source whose `PackageResources` holds the files' bytes.
///
/// A file's member is its name with an underscore for whatever is no letter or digit. Files are text in
/// UTF-8, kept byte for byte, ends of lines and byte order marks included: others end with a message and
/// status 1, and so do two files with one member.
@main struct EmbedFiles {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard let output = arguments.first else { return fail("embed-files OUTPUT FILE…") }
    var source = "enum PackageResources {\n"
    var paths: [String: String] = [:]
    for path in arguments.dropFirst() {
      let bytes = try Data(contentsOf: URL(filePath: path))
      guard let text = String(validating: bytes, as: UTF8.self) else {
        return fail("\(path): error: an embedded file is text in UTF-8")
      }
      let member = member(of: path)
      if let other = paths.updateValue(path, forKey: member) {
        return fail("\(path): error: its member \(member) is that of \(other), too")
      }
      source += "  static var \(member): [UInt8] { Array(\(literal(of: text)).utf8) }\n"
    }
    try write(Data((source + "}\n").utf8), to: URL(filePath: output))
  }

  /// Leaves a file that holds these bytes already as it is: a newer one would have its room compiled again,
  /// and all rooms above it.
  static func write(_ bytes: Data, to output: URL) throws {
    guard (try? Data(contentsOf: output)) != bytes else { return }
    try bytes.write(to: output, options: .atomic)
  }

  static func fail(_ message: String) -> Void {
    FileHandle.standardError.write(Data((message + "\n").utf8))
    exit(1)
  }

  static func member(of path: String) -> String {
    let name = String(
      URL(filePath: path).lastPathComponent.map { $0.isLetter || $0.isNumber ? $0 : "_" })
    return name.first?.isNumber == true ? "_" + name : name
  }

  /// A string literal of one line.
  static func literal(of text: String) -> String {
    var literal = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\", "\"": literal += "\\\(scalar)"
      case "\n": literal += "\\n"
      // A byte order mark stands for itself nowhere but at the beginning of a source.
      case _ where scalar.value < 32 || scalar.value == 127 || scalar.value == 0xFEFF:
        literal += "\\u{\(String(scalar.value, radix: 16))}"
      default: literal.unicodeScalars.append(scalar)
      }
    }
    return literal + "\""
  }
}
