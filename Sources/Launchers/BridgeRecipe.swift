import Documents
import Models

/// The text of a Megatron-Bridge recipe: assignments to fields of a configuration, read line by line.
///
/// Python is never carried out: what is no plain value stays a text, and an option that needs a value then says
/// so.
struct BridgeRecipe {
  /// The options that are assigned.
  var options: [GivenOption] = []
  /// The recipe that the text starts from: `deepseek_v3_pretrain_config`.
  var base: String?
  /// The function that was read; nil where there is none.
  var function: String?

  static func isLikely(_ text: String) -> Bool {
    text.split(whereSeparator: \.isNewline).contains { line in
      let words = line.drop { $0 == " " }
      return words.hasPrefix("cfg.") && words.contains("=")
    }
  }

  /// - Parameter job: the function to read, of several.
  init(_ text: String, file: String, job: String?) throws(ConfigurationError) {
    var functions: [(name: String, lines: [(number: Int, text: String)])] = [("", [])]
    for (index, line) in Self.joined(text).enumerated() {
      if let name = Self.function(in: line) { functions.append((name, [])) }
      functions[functions.count - 1].lines.append((index + 1, line))
    }
    let recipes = functions.filter { $0.lines.contains { Self.isLikely($0.text) } }
    guard let first = recipes.first else {
      throw ConfigurationError(file: file, rule: "assigns nothing to a configuration")
    }
    var chosen = first
    if let job {
      guard let found = recipes.first(where: { $0.name == job }) else {
        throw ConfigurationError(
          file: file, rule: "has no recipe '\(job)': \(recipes.map(\.name).joined(separator: ", "))"
        )
      }
      chosen = found
    } else if recipes.count > 1 {
      throw ConfigurationError(
        file: file,
        rule: "has \(recipes.count) recipes: choose one with --job ("
          + recipes.map(\.name).joined(separator: ", ") + ")")
    }
    function = chosen.name.isEmpty ? nil : chosen.name
    read(chosen.lines, functions, file, depth: 0)
    options = BridgeFile.synchronised(options, hasBase: true)
    guard let own = function, let gpus = Self.gpus(own) else { return }
    options.append(
      GivenOption(name: "gpus", spelling: own, values: ["\(gpus)"], file: file, line: nil))
  }

  /// Reads lines; where they start from another recipe of the file, that one's first.
  private mutating func read(
    _ lines: [(number: Int, text: String)],
    _ functions: [(name: String, lines: [(number: Int, text: String)])], _ file: String, depth: Int
  ) {
    for (number, line) in lines {
      read(line, number, file)
      guard line.drop(while: { $0 == " " }).hasPrefix("cfg ="), depth < 16, let base,
        let other = functions.first(where: { $0.name == base })
      else { continue }
      read(other.lines, functions, file, depth: depth + 1)
    }
  }

  /// The lines with those joined to the first that a bracket leaves open; the others are blank.
  private static func joined(_ text: String) -> [String] {
    var lines: [String] = []
    var (depth, start) = (0, 0)
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      let bare = withoutComment(line)
      if depth > 0 {
        lines[start] += " " + bare.drop { $0 == " " }
        lines.append("")
      } else {
        start = lines.count
        lines.append(bare)
      }
      depth += bare.reduce(0) { $0 + ("([{".contains($1) ? 1 : ")]}".contains($1) ? -1 : 0) }
      depth = max(0, depth)
    }
    return lines
  }

  private static func withoutComment(_ line: Substring) -> String {
    var quote: Character?
    for index in line.indices {
      let next = line[index]
      if let open = quote {
        if next == open { quote = nil }
      } else if next == "\"" || next == "'" {
        quote = next
      } else if next == "#" {
        return String(line[..<index])
      }
    }
    return String(line)
  }

  private static func function(in line: String) -> String? {
    guard line.hasPrefix("def ") else { return nil }
    return String(line.dropFirst(4).prefix { $0.isLetter || $0.isNumber || $0 == "_" })
  }

  /// `1024` of `…_1024gpu_…`.
  private static func gpus(_ name: String) -> Int? {
    name.split(separator: "_").lazy.compactMap { part in
      part.hasSuffix("gpu") ? Int(part.dropLast(3)) : nil
    }.first
  }

  private mutating func read(_ line: String, _ number: Int, _ file: String) {
    let text = line.drop { $0 == " " }
    if text.contains("pipeline_model_parallel_layout("), let layout = Self.quoted(text) {
      return add("cfg.model.pipeline_model_parallel_layout", layout, number, file)
    }
    guard let equals = Self.assignment(in: text) else { return }
    let left = text[..<equals]
    let right = text[text.index(after: equals)...].drop { $0 == " " }
    if left.trimmed == "cfg" {
      base = String(right.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
      return
    }
    let targets = Self.items(left)
    let values = targets.count > 1 ? Self.items(right) : [right.trimmed]
    guard targets.count == values.count else { return }
    for (target, value) in zip(targets, values) where target.hasPrefix("cfg.") {
      add(target, value, number, file)
    }
  }

  private mutating func add(_ target: String, _ value: String, _ number: Int, _ file: String) {
    let path = String(target.dropFirst(4))
    let field = path.split(separator: ".").last.map(String.init) ?? path
    if field == "env_vars" { return }
    var text = value
    // `CommOverlapConfig(tp_comm_overlap=False)` assigns fields of its own.
    if let open = value.firstIndex(of: "("), value.hasSuffix(")"), !value.hasPrefix("(") {
      let inner = value[value.index(after: open)...].dropLast()
      let parts = Self.items(inner)
      if parts.contains(where: { $0.contains("=") }) {
        for part in parts {
          guard let equals = part.firstIndex(of: "=") else { continue }
          add(
            "\(target).\(part[..<equals].trimmed)", part[part.index(after: equals)...].trimmed,
            number, file)
        }
        return
      }
      // `_perf_precision("bf16")` names what it makes.
      if parts.count == 1, let named = Self.quoted(inner) { text = named }
    }
    if let plain = Self.quoted(Substring(text)), text.hasPrefix("\"") || text.hasPrefix("'") {
      text = plain
    }
    let (name, values) = MegatronOptions.canonical(field, [text])
    options.append(
      GivenOption(name: name, spelling: "cfg.\(path)", values: values, file: file, line: number))
  }

  /// The place of the `=` that assigns; nil where there is none.
  private static func assignment(in text: Substring) -> Substring.Index? {
    var depth = 0
    for index in text.indices {
      let next = text[index]
      if "([{".contains(next) { depth += 1 }
      if ")]}".contains(next) { depth -= 1 }
      guard next == "=", depth == 0 else { continue }
      let after = text.index(after: index)
      let isComparison = after < text.endIndex && text[after] == "="
      return isComparison ? nil : index
    }
    return nil
  }

  /// What commas outside of brackets and quotes separate.
  private static func items(_ text: Substring) -> [String] {
    var items = [""]
    var depth = 0
    var quote: Character?
    for next in text {
      if let open = quote {
        if next == open { quote = nil }
      } else if next == "\"" || next == "'" {
        quote = next
      } else if "([{".contains(next) {
        depth += 1
      } else if ")]}".contains(next) {
        depth -= 1
      } else if next == ",", depth == 0 {
        items.append("")
        continue
      }
      items[items.count - 1].append(next)
    }
    return items.map { Substring($0).trimmed }.filter { !$0.isEmpty }
  }

  /// The first text in quotes.
  private static func quoted(_ text: Substring) -> String? {
    guard let start = text.firstIndex(where: { $0 == "\"" || $0 == "'" }) else { return nil }
    let rest = text[text.index(after: start)...]
    guard let end = rest.firstIndex(of: text[start]) else { return nil }
    return String(rest[..<end])
  }

  // MARK: - The model

  /// The models that ship, by the beginnings of the names of their recipes.
  private static let models: [(prefix: String, model: String)] = [
    ("deepseek_v3", "deepseek-v3"), ("deepseek_v2", "deepseek-v2"),
    ("llama31_405b", "llama-3.1-405b"),
    ("llama3_8b", "llama-3.1-8b"), ("llama31_8b", "llama-3.1-8b"), ("llama3_70b", "llama-3.1-70b"),
    ("llama31_70b", "llama-3.1-70b"), ("llama2_7b", "llama-2-7b"), ("llama2_13b", "llama-2-13b"),
    ("llama2_70b", "llama-2-70b"), ("qwen3_235b", "qwen3-235b-a22b"),
    ("mixtral_8x7b", "mixtral-8x7b"), ("mixtral_8x22b", "mixtral-8x22b"),
    ("gpt3_175b", "gpt-3-175b"),
  ]

  /// The name of the model that ships and that the recipe is of.
  var model: String? {
    [base, function].compactMap(\.self).lazy.compactMap { name in
      Self.models.first { name.hasPrefix($0.prefix) }?.model
    }.first
  }
}

extension StringProtocol {
  /// The text without blanks around it.
  var trimmed: String {
    String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}
