import Yams

/// Turns bytes into a tree of elements, or says what is wrong with them.
///
/// YAML is read by Yams, JSON by the same path, since YAML contains it. Anchors are refused: a
/// few lines of them can stand for gigabytes.
struct DocumentParser {
  let name: String
  /// The number of the first line.
  var firstLine = 1
  /// The largest text that is read.
  var largest = Self.largestFile

  /// The largest file that is read unless another limit is given: descriptions are written by people and stay far below.
  static let largestFile = 1 << 19
  /// The deepest nesting of tables and lists.
  static let deepestNesting = 64
  /// The longest key; every message about a value inside repeats it.
  static let longestKey = 256

  func parse(_ bytes: [UInt8]) throws(ConfigurationError) -> Element {
    guard bytes.count <= largest else {
      throw failure("is larger than \(largest / 1024) KiB, too large for a description")
    }
    try checkCharacters(bytes)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw failure("is not valid UTF-8", line: lineOfInvalidText(bytes))
    }
    try checkNesting(bytes)
    try checkAnchors(bytes)
    do {
      // No resolver rules: this room decides what a scalar is, and rules cost regular expressions.
      let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
      guard let root = try parser.singleRoot() else { throw failure("is empty") }
      // Nodes refer weakly to their anchors, which live as long as the parser.
      let element = try withExtendedLifetime(parser) { try convert(root, depth: 0) }
      if element.isNull { throw failure("is empty") }
      return element
    } catch let error as ConfigurationError {
      throw error
    } catch let error as YamlError {
      throw located(error, in: text)
    } catch {
      throw failure("cannot be read as YAML or JSON")
    }
  }

  private func failure(_ rule: String, line: Int? = nil, path: String = "") -> ConfigurationError {
    ConfigurationError(
      file: name, line: line.map { $0 + firstLine - 1 }, keyPath: path, rule: rule)
  }

  private func located(_ error: YamlError, in text: String) -> ConfigurationError {
    switch error {
    case .scanner(let context, let problem, let mark, _),
      .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let around = context.map { " \($0.text)" } ?? ""
      return failure("is not valid YAML or JSON\(around): \(problem)", line: mark.line)
    case .duplicatedKeysInMapping(let duplicates, let context):
      let second = lineOfSecond(duplicates[0], after: context.mark, in: text)
      return failure(
        "key is written twice in one table", line: second ?? context.mark.line,
        path: duplicates[0])
    default: return failure("cannot be read as YAML or JSON")
    }
  }

  private func convert(_ node: Node, depth: Int) throws(ConfigurationError) -> Element {
    let line = node.mark?.line ?? 1
    guard depth <= Self.deepestNesting else { throw nestingFailure(line: line) }
    if node.anchor != nil { throw anchorFailure(line: line) }
    let content: Element.Content
    switch node {
    case .scalar(let scalar):
      content = .scalar(scalar.string, isQuoted: scalar.style != .plain && scalar.style != .any)
    case .sequence(let sequence):
      var elements: [Element] = []
      elements.reserveCapacity(sequence.count)
      for node in sequence {
        do throws(ConfigurationError) {
          elements.append(try convert(node, depth: depth + 1))
        } catch { throw error.below("[\(elements.count)]") }
      }
      content = .list(elements)
    case .mapping(let mapping): content = .table(try entries(of: mapping, depth: depth))
    case .alias: throw anchorFailure(line: line)
    }
    return Element(content: content, origin: origin(line))
  }

  private func origin(_ line: Int) -> Element.Origin { .line(line + firstLine - 1, file: name) }

  private func entries(
    of mapping: Node.Mapping, depth: Int
  ) throws(ConfigurationError) -> [Element.Entry] {
    var entries: [Element.Entry] = []
    var seen: Set<String> = []
    for (key, value) in mapping {
      let line = key.mark?.line ?? 1
      guard case .scalar(let scalar) = key else {
        throw failure("a key must be a single name", line: line)
      }
      guard scalar.string.utf8.count <= Self.longestKey else {
        throw failure("a key is longer than \(Self.longestKey) bytes", line: line)
      }
      guard seen.insert(scalar.string).inserted else {
        throw failure("key is written twice in one table", line: line, path: scalar.string)
      }
      if key.anchor != nil { throw anchorFailure(line: line) }
      let element: Element
      do throws(ConfigurationError) {
        element = try convert(value, depth: depth + 1)
      } catch { throw error.below(scalar.string) }
      entries.append(
        .init(key: scalar.string, origin: origin(line), element: element))
    }
    return entries
  }

  private func nestingFailure(line: Int) -> ConfigurationError {
    failure("is nested deeper than \(Self.deepestNesting) levels", line: line)
  }

  private func anchorFailure(line: Int) -> ConfigurationError {
    failure("anchors and aliases (&name, *name) are not read: write the value out", line: line)
  }
}

extension ConfigurationError {
  /// The same error seen from one level further out; paths are made only when something is wrong.
  fileprivate func below(_ outer: String) -> ConfigurationError {
    var error = self
    let joined = keyPath.isEmpty || keyPath.hasPrefix("[") ? outer + keyPath : "\(outer).\(keyPath)"
    error.keyPath = joined
    return error
  }
}

// MARK: - Checks before parsing

extension DocumentParser {
  /// Control characters other than tab and line ends mark a binary file.
  private func checkCharacters(_ bytes: [UInt8]) throws(ConfigurationError) {
    let isControl: (UInt8) -> Bool = { byte in
      (byte < 0x20 && byte != 0x09 && byte != 0x0A && byte != 0x0D) || byte == 0x7F
    }
    guard let position = bytes.firstIndex(where: isControl) else { return }
    let line = 1 + bytes[..<position].count { $0 == UInt8(ascii: "\n") }
    throw failure("holds a control character: not a text file", line: line)
  }

  private func lineOfInvalidText(_ bytes: [UInt8]) -> Int? {
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let index = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil }
    return index.map { $0 + 1 }
  }

  /// Bounds the depth from above without understanding quotes: brackets and leading indicators.
  ///
  /// The parser below recurses, and its scanner's time grows with depth times length.
  private func checkNesting(_ bytes: [UInt8]) throws(ConfigurationError) {
    var depth = 0
    var line = 1
    var leading = 0
    var isLeading = true
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"): depth = max(0, depth - 1)
      case UInt8(ascii: "\n"):
        line += 1
        (leading, isLeading) = (0, true)
        continue
      default: break
      }
      if isLeading {
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\t"): break
        case UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"): leading += 1
        default: isLeading = false
        }
      }
      // A line of dashes alone (`---`) is short; only the absurd is refused here.
      guard depth <= Self.deepestNesting, leading <= Self.deepestNesting else {
        throw nestingFailure(line: line)
      }
    }
  }

  /// Finds `&name` where a value may begin; a second check follows on the parsed tree.
  private func checkAnchors(_ bytes: [UInt8]) throws(ConfigurationError) {
    var line = 1
    var last = UInt8(ascii: "\n")
    for (index, byte) in bytes.enumerated() {
      defer { if byte != UInt8(ascii: " "), byte != UInt8(ascii: "\t") { last = byte } }
      if byte == UInt8(ascii: "\n") {
        line += 1
        continue
      }
      guard byte == UInt8(ascii: "&"), index + 1 < bytes.count else { continue }
      let next = bytes[index + 1]
      guard next > UInt8(ascii: " "), "\n:-?[{,".utf8.contains(last) else { continue }
      throw anchorFailure(line: line)
    }
  }
}
