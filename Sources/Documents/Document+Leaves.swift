extension Document {
  /// One value with the path to it.
  public struct Leaf: Hashable, Sendable {
    /// `overlap.pipeline-sends`.
    public var keyPath: String
    /// A single value as it was written, a list in brackets.
    public var text: String
  }

  /// Every value, in the order written; a list is one.
  public var leaves: [Leaf] { root.leaves(below: "") }
}

extension Element {
  fileprivate func leaves(below path: String) -> [Document.Leaf] {
    guard case .table(let entries) = content else {
      return [Document.Leaf(keyPath: path, text: flowText)]
    }
    return entries.flatMap { entry in
      entry.element.leaves(below: path.isEmpty ? entry.key : "\(path).\(entry.key)")
    }
  }

  /// The element on one line, in YAML's flow style without quotes.
  private var flowText: String {
    switch content {
    case .scalar(let text, _): text
    case .list(let elements): "[\(elements.map(\.flowText).joined(separator: ", "))]"
    case .table(let entries):
      "{\(entries.map { "\($0.key): \($0.element.flowText)" }.joined(separator: ", "))}"
    }
  }
}
