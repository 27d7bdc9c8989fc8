extension Document {
  /// One value with the path to it.
  public struct Leaf: Hashable, Sendable {
    /// `overlap.pipeline-sends`.
    public var keyPath: String
    /// A single value as it was written, a list in brackets.
    public var text: String
  }

  /// Every value, in the order written; a list is one.
  public var leaves: [Leaf] { locatedLeaves.map(\.leaf) }

  /// The same, each with the line where its value begins; nil where the command line gave it.
  public var locatedLeaves: [(leaf: Leaf, line: Int?)] { root.leaves(below: "") }
}

extension Table {
  /// The table on one line, in YAML's flow style without quotes, but for some keys.
  public func flowText(without keys: [String]) -> String {
    let kept = entries.filter { !keys.contains($0.key) }
    return Element(content: .table(kept), origin: .override).flowText
  }
}

extension Element {
  fileprivate func leaves(below path: String) -> [(leaf: Document.Leaf, line: Int?)] {
    guard case .table(let entries) = content else {
      var line: Int?
      if case .line(let number, _) = origin { line = number }
      return [(Document.Leaf(keyPath: path, text: flowText), line)]
    }
    return entries.flatMap { entry in
      entry.element.leaves(below: path.isEmpty ? entry.key : "\(path).\(entry.key)")
    }
  }

  /// The element on one line, in YAML's flow style without quotes.
  fileprivate var flowText: String {
    switch content {
    case .scalar(let text, _): text
    case .list(let elements): "[\(elements.map(\.flowText).joined(separator: ", "))]"
    case .table(let entries):
      "{\(entries.map { "\($0.key): \($0.element.flowText)" }.joined(separator: ", "))}"
    }
  }
}
