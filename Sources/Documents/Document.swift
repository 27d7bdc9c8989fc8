#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that a person wrote, as a tree of tables, lists and scalars that knows its lines.
///
/// Reads YAML and JSON. Every fault of the file is a `ConfigurationError`; no file, however broken,
/// ends the program.
public struct Document: Hashable, Sendable {
  /// The name under which messages speak of the file.
  public let name: String
  var root: Element

  /// Reads the file at `path`.
  public init(file path: String) throws(ConfigurationError) {
    // One byte more than allowed is enough for the parser to refuse the file for its size.
    try self.init(
      bytes: fileContents(path, atMost: DocumentParser.largestFile + 1), name: path)
  }

  /// Reads text that messages call `name`.
  public init(text: String, name: String) throws(ConfigurationError) {
    try self.init(bytes: Array(text.utf8), name: name)
  }

  /// Reads UTF-8 bytes, such as an embedded file, that messages call `name`.
  ///
  /// - Parameter firstLine: the number of their first line, where they are a part of the file.
  public init(bytes: [UInt8], name: String, firstLine: Int = 1) throws(ConfigurationError) {
    self.name = name
    root = try DocumentParser(name: name, firstLine: firstLine).parse(bytes)
  }

  /// The outermost table, whose `finish()` must be called when everything is read.
  ///
  /// - Parameter toleratesUnknownKeys: whether keys that nobody reads are passed over in silence, as
  ///   other people's files need.
  public func table(toleratesUnknownKeys: Bool = false) throws(ConfigurationError) -> Table {
    let field = Field(document: name, keyPath: "", origin: nil, element: root)
    return try field.table(toleratesUnknownKeys: toleratesUnknownKeys)
  }

  /// The file in which the value at a path of keys was written; nil where there is none, or where the
  /// command line gave it.
  public func file(of keyPath: String) -> String? {
    let keys = keyPath.split(separator: ".").map(String.init)
    guard let entry = root.entry(at: keys[...]), case .line(_, let file) = entry.element.origin
    else { return nil }
    return file
  }

  /// Puts another document's section in place of a name: `device: h800-2048`.
  ///
  /// Where the value at `keyPath` (`device`, `device.kernels`) is a single text, `resolve` finds the
  /// document that it names, and that document's value at the same path takes its place, lines and
  /// file included.
  public mutating func compose(
    _ keyPath: String, resolve: (Field, String) throws(ConfigurationError) -> Document
  ) throws(ConfigurationError) {
    let keys = keyPath.split(separator: ".").map(String.init)
    guard let entry = root.entry(at: keys[...]), case .scalar(let text, _) = entry.element.content,
      !entry.element.isNull
    else { return }
    let field = Field(
      document: name, keyPath: keyPath, origin: entry.origin, element: entry.element)
    let other = try resolve(field, text)
    guard let section = other.root.entry(at: keys[...]) else {
      throw field.error("\(other.name) has no section of this name")
    }
    root.replaceEntry(at: keys[...], by: section)
  }
}
