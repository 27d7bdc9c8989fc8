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
  ///
  /// - Parameter limit: the largest file that is read, where other programs write it.
  public init(file path: String, atMost limit: Int? = nil) throws(ConfigurationError) {
    let limit = limit ?? DocumentParser.largestFile
    // One byte more than allowed is enough for the parser to refuse the file for its size.
    let bytes = try fileContents(path, atMost: limit + 1)
    name = path
    root = try DocumentParser(name: path, largest: limit).parse(bytes)
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

  /// The paths of all keys in the order written, a table in front of those within it.
  public var keyPaths: [String] { keyFiles.map(\.path) }

  /// The same with the file in which the value of each was written; nil where the command line gave it.
  public var keyFiles: [(path: String, file: String?)] {
    var paths: [(path: String, file: String?)] = []
    root.collectPaths(below: "", into: &paths)
    return paths
  }

  /// The same without the value at a path of keys; nil where there is none.
  public func removing(_ keyPath: String) -> Document? {
    let keys = keyPath.split(separator: ".").map(String.init)
    guard root.entry(at: keys[...]) != nil else { return nil }
    var rest = self
    rest.root.removeEntry(at: keys[...])
    return rest
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

  /// Puts another document's section below a table that names it: `device: {like: h800-2048, …}`.
  ///
  /// Where the table at `keyPath` has the key `like`, `resolve` finds the document that it names; that
  /// document's section at the same path is taken, and what the table says itself replaces its values.
  /// Values keep their lines and files. A value with its source is replaced whole.
  public mutating func extend(
    _ keyPath: String, resolve: (Field, String) throws(ConfigurationError) -> Document
  ) throws(ConfigurationError) {
    let keys = keyPath.split(separator: ".").map(String.init)
    guard let entry = root.entry(at: keys[...]), case .table(var own) = entry.element.content,
      let place = own.firstIndex(where: { $0.key == Self.likeKey })
    else { return }
    let like = own.remove(at: place)
    let field = Field(
      document: name, keyPath: "\(keyPath).\(Self.likeKey)", origin: like.origin,
      element: like.element)
    let text = try field.read(.string)
    guard like.origin != .override else {
      throw field.error("belongs into a file; here the section takes a name: \(keyPath)=\(text)")
    }
    let other = try resolve(field, text)
    guard let section = other.root.entry(at: keys[...]), case .table = section.element.content
    else { throw field.error("\(other.name) has no table \(keyPath)") }
    let changed = Element(content: .table(own), origin: entry.element.origin)
    root.replaceEntry(
      at: keys[...],
      by: .init(
        key: entry.key, origin: entry.origin, element: section.element.replacing(by: changed)))
  }

  /// The key under which a table names the description whose values it takes.
  static let likeKey = "like"
}
