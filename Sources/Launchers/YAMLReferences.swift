import Documents

/// Values of a YAML that stand for others, as OmegaConf and shells write them: `${.key}` beside it, `${..key}` one
/// table further out, `${model.key}` from the outermost, `${multiply:4, ${.hidden_size}}`, `${NAME}` from outside.
///
/// Nothing is carried out: keys are looked up, and a few names of arithmetic on whole numbers are known. What
/// refers to nothing in the file stays as it is written, and whoever reads it says so.
struct YAMLReferences {
  /// One value with its path.
  struct Value: Hashable {
    var path: String
    /// The value behind all references.
    var text: String
    /// As it stands in the file.
    var written: String
    var line: Int?
  }

  private let file: String
  private let outside: ImportUse
  private var written: [String: (text: String, line: Int?)] = [:]
  /// The keys that are being looked up, to find circles.
  private var open: [String] = []
  private var steps = 0
  /// No configuration refers to more, or has longer values.
  private static let (mostSteps, mostText) = (1 << 16, 1 << 16)

  private init(file: String, _ outside: ImportUse) {
    (self.file, self.outside) = (file, outside)
  }

  /// Every value of a document, in the order written.
  ///
  /// - Parameter outside: what is set from outside, by the text within the braces; it goes first.
  /// - Throws: `ConfigurationError` where a value refers to itself.
  static func values(
    of document: Document, file: String, _ outside: ImportUse
  ) throws(ConfigurationError) -> [Value] {
    var reader = YAMLReferences(file: file, outside)
    let leaves = document.locatedLeaves
    for (leaf, line) in leaves { reader.written[leaf.keyPath] = (leaf.text, line) }
    var values: [Value] = []
    for (leaf, line) in leaves {
      let text = try reader.resolved(leaf.text, at: leaf.keyPath)
      values.append(Value(path: leaf.keyPath, text: text, written: leaf.text, line: line))
    }
    return values
  }

  private mutating func resolved(
    _ text: String, at path: String
  ) throws(ConfigurationError) -> String {
    guard text.contains("${") else { return text }
    var result = ""
    var rest = text[...]
    while let start = rest.firstRange(of: "${") {
      result += rest[..<start.lowerBound]
      guard let end = closingBrace(of: rest[start.lowerBound...]) else {
        rest = rest[start.lowerBound...]
        break
      }
      let inner = String(rest[start.upperBound..<end])
      result += try value(of: inner, at: path) ?? "${\(inner)}"
      rest = rest[rest.index(after: end)...]
      steps += 1
      guard steps <= Self.mostSteps, result.utf8.count <= Self.mostText else {
        throw error(path, "refers to more than can be read")
      }
    }
    return result + rest
  }

  /// What a reference stands for; nil where nothing says it.
  private mutating func value(
    of reference: String, at path: String
  ) throws(ConfigurationError) -> String? {
    let inner = reference.trimmed
    if let defined = outside.definition(of: inner) { return defined }
    if inner.hasPrefix(".") { return try value(ofKey: absolute(inner, from: path)) }
    guard let colon = inner.firstIndex(where: { ":${".contains($0) }), inner[colon] == ":" else {
      if let found = try value(ofKey: inner) { return found }
      // NeMo's launcher puts a file of this kind below `training`.
      guard inner.hasPrefix("training.") else { return nil }
      return try value(ofKey: String(inner.dropFirst(9)))
    }
    let name = inner[..<colon].trimmed
    let text = inner[inner.index(after: colon)...]
    // A shell's `${NAME:-default}`.
    if text.hasPrefix("-") {
      let found = try value(ofKey: name)
      if let said = outside.definition(of: name) ?? found { return said }
      return try resolved(String(text.dropFirst()), at: path)
    }
    var words: [String] = []
    for word in Self.words(text) { words.append(try resolved(word, at: path).trimmed) }
    switch name {
    case "oc.env": return words.first.flatMap(outside.definition) ?? words.dropFirst().first
    case "oc.select":
      guard let key = words.first else { return nil }
      let found = try value(ofKey: key.hasPrefix(".") ? absolute(key, from: path) : key)
      return found ?? words.dropFirst().first
    default: return Self.number(name, words).map { "\($0)" }
    }
  }

  /// Arithmetic that NeMo's programs register by name.
  private static func number(_ name: String, _ words: [String]) -> Int? {
    let numbers = words.compactMap { GivenOptions.integer($0) }
    guard numbers.count == words.count, numbers.count == 2 else { return nil }
    let (one, two) = (numbers[0], numbers[1])
    guard abs(one) < 1 << 31, abs(two) < 1 << 31 else { return nil }
    switch name {
    case "multiply", "mul": return one * two
    case "add", "sum": return one + two
    case "divide_floor", "int_div": return two > 0 && one >= 0 ? one / two : nil
    case "divide_ceil": return two > 0 && one >= 0 ? (one + two - 1) / two : nil
    default: return nil
    }
  }

  private mutating func value(ofKey key: String) throws(ConfigurationError) -> String? {
    guard let text = written[key]?.text else { return nil }
    guard !open.contains(key), open.count < 64 else {
      throw error(key, "refers to itself")
    }
    open.append(key)
    let found = try resolved(text, at: key)
    open.removeLast()
    return found
  }

  /// The path of a key beside another one: `.a` beside `model.b` is `model.a`, `..a` is `a`.
  private func absolute(_ reference: String, from path: String) -> String {
    let dots = reference.prefix { $0 == "." }.count
    let own = path.split(separator: ".").dropLast(dots)
    return (own + [reference.dropFirst(dots)]).joined(separator: ".")
  }

  /// Parts between the outermost commas.
  private static func words(_ text: Substring) -> [String] {
    var words = [""]
    var depth = 0
    for next in text {
      if next == "{" { depth += 1 }
      if next == "}" { depth -= 1 }
      if next == ",", depth == 0 { words.append("") } else { words[words.count - 1].append(next) }
    }
    return words
  }

  private func error(_ key: String, _ rule: String) -> ConfigurationError {
    ConfigurationError(
      file: file, line: written[key]?.line, keyPath: key, value: written[key]?.text, rule: rule)
  }
}

/// The brace that ends a reference at the beginning of a text; nil where there is none.
func closingBrace(of text: Substring) -> Substring.Index? {
  var depth = 0
  for index in text.indices {
    if text[index] == "{" { depth += 1 }
    guard text[index] == "}" else { continue }
    depth -= 1
    if depth <= 0 { return index }
  }
  return nil
}
