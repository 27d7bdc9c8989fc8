import TestSupport

/// Values that may move no figure, each with its reason.
enum Reasons {
  enum Reason: Equatable {
    /// It does nothing in this file.
    case nothing(String)
    /// It only bounds what is admitted.
    case bounds(String)
  }

  /// What a thing is called, which no figure hangs on.
  static let name = Reason.nothing("a name")

  /// Why a change of a value of a file moves no figure; nil where one must move.
  static func forNothing(_ file: String, _ leaf: Leaf) -> Reason? {
    all.first {
      ($0.paths.contains(leaf.path) || $0.paths.contains(leaf.described))
        && ($0.files.isEmpty || $0.files.contains(file))
    }?.why
  }

  private struct Entry {
    var why: Reason
    var paths: Set<String>
    /// Files for which it holds; none for all.
    var files: Set<String> = []
  }

  private static let all: [Entry] = [
    Entry(
      why: name,
      paths: [
        "name", "summary", "source", "precision.name", "device.name", "node.link.name",
        "node.adapters.name", "network.name", "failures.causes[0].name",
      ]),
    Entry(
      why: .nothing("all that a base decides is written beside it"), paths: ["precision.base"],
      files: ["precision.yaml"]),
    Entry(
      why: .bounds("a base without FP8 products leaves the keys beside it nothing to act on"),
      paths: ["precision.base"], files: ["float8.yaml"]),
    Entry(
      why: .nothing("each plane has one adapter of a node, so either way they are apart"),
      paths: ["network.attachment"], files: ["h800-2048.yaml"]),
    Entry(
      why: .bounds("the 72 adapters of a node take more than a leaf, so that no two share one"),
      paths: ["network.latency.same-leaf"], files: ["gb200-nvl72.yaml"]),
    Entry(
      why: .bounds("the top layer bounds how many nodes are joined"),
      paths: ["network.layers[0].radix"],
      files: ["a100-pcie.yaml", "a100-roce.yaml", "aws-p5.yaml"]),
    Entry(
      why: .bounds("the top layer bounds how many leaves are joined"),
      paths: ["network.layers[1].radix"],
      files: [
        "a100-vtrain-512.yaml", "gb200-nvl72.yaml", "h800-2048.yaml", "h800-2048-mrft.yaml",
      ]),
    Entry(
      why: .bounds("the top layer bounds how many pods are joined"),
      paths: ["network.layers[2].radix"], files: ["a100-selene.yaml", "layered.yaml"]),
  ]
}
