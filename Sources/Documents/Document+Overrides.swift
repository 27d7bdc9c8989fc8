extension Document {
  /// Replaces or creates the value at `keyPath`, for `--set node.link.bandwidth="450 GB/s"`.
  ///
  /// Keys are joined by points, places in a list are written `[2]`. Tables on the way are created;
  /// a key that nobody reads is caught by `finish()`. A text that starts with `[`, `{` or a quote is
  /// read as YAML, any other is taken as it stands.
  public mutating func set(_ keyPath: String, to value: String) throws(ConfigurationError) {
    func failure(_ rule: String) -> ConfigurationError {
      ConfigurationError(file: "--set", keyPath: keyPath, value: value, rule: rule)
    }
    guard let steps = Self.steps(of: keyPath) else {
      throw failure("is not a key; keys are written like node.link.bandwidth or degraded[0].link")
    }
    var replacement = Element(content: .scalar(value, isQuoted: false), origin: .override)
    if let first = value.first, "[{\"'".contains(first) {
      do throws(ConfigurationError) {
        let parsed = try DocumentParser(name: "--set").parse(Array(value.utf8))
        replacement = parsed.overriding()
      } catch {
        throw failure(error.rule)
      }
    }
    if let rule = root.replace(steps[...], by: replacement) { throw failure(rule) }
  }

  /// Applies overrides written `key=value`, in order.
  public mutating func set(_ assignments: [String]) throws(ConfigurationError) {
    for assignment in assignments {
      guard let equals = assignment.firstIndex(of: "=") else {
        throw ConfigurationError(
          file: "--set", value: assignment, rule: "expected key=value, such as nodes=16")
      }
      try set(
        String(assignment[..<equals]), to: String(assignment[assignment.index(after: equals)...]))
    }
  }

  /// The single value at a path of keys, bare or with its source, and whether the command line gave it or a
  /// part of it; nil where there is none.
  public func value(at keyPath: String) -> (text: String, isOverride: Bool)? {
    let keys = keyPath.split(separator: ".").map(String.init)
    guard let entry = root.entry(at: keys[...]), !entry.element.isNull else { return nil }
    let value = entry.element.entry(at: ["value"])?.element ?? entry.element
    return value.scalarText.map { ($0, entry.origin == .override) }
  }

  enum Step: Hashable {
    case key(String)
    case index(Int)
  }

  private static func steps(of keyPath: String) -> [Step]? {
    guard keyPath.utf8.count <= 1024 else { return nil }
    var steps: [Step] = []
    for part in keyPath.split(separator: ".", omittingEmptySubsequences: false) {
      let pieces = part.split(separator: "[", omittingEmptySubsequences: false)
      guard !pieces[0].isEmpty, !pieces[0].contains("]") else { return nil }
      steps.append(.key(String(pieces[0])))
      for piece in pieces.dropFirst() {
        guard piece.last == "]", let index = Int(piece.dropLast()), index >= 0 else { return nil }
        steps.append(.index(index))
      }
    }
    return steps.count <= DocumentParser.deepestNesting ? steps : nil
  }
}

extension Element {
  /// Puts `replacement` where `steps` lead and returns the rule that is broken, if one is.
  fileprivate mutating func replace(
    _ steps: ArraySlice<Document.Step>, by replacement: Element
  ) -> String? {
    guard let step = steps.first else {
      self = replacement
      return nil
    }
    let rest = steps.dropFirst()
    switch (step, content) {
    case (.key(let key), .table(var entries)):
      if let index = entries.firstIndex(where: { $0.key == key }) {
        entries[index].origin = .override
        if let rule = entries[index].element.replace(rest, by: replacement) { return rule }
      } else {
        if case .index = rest.first {
          return "there is no list \(key) yet: set it whole, as \(key)=[…]"
        }
        var element = Element(content: .table([]), origin: .override)
        if let rule = element.replace(rest, by: replacement) { return rule }
        entries.append(.init(key: key, origin: .override, element: element))
      }
      content = .table(entries)
      return nil
    case (.index(let index), .list(var elements)):
      guard index < elements.count else {
        return "the list has \(elements.count) items, counted from 0"
      }
      if let rule = elements[index].replace(rest, by: replacement) { return rule }
      content = .list(elements)
      return nil
    case (.key(let key), _): return "there is no table around \(key): it is \(kind)"
    case (.index(let index), _): return "there is no list around [\(index)]: it is \(kind)"
    }
  }

  /// The same element as if it had been written on the command line.
  fileprivate func overriding() -> Element {
    switch content {
    case .scalar: return Element(content: content, origin: .override)
    case .list(let elements):
      return Element(content: .list(elements.map { $0.overriding() }), origin: .override)
    case .table(let entries):
      let moved = entries.map {
        Entry(key: $0.key, origin: .override, element: $0.element.overriding())
      }
      return Element(content: .table(moved), origin: .override)
    }
  }
}
