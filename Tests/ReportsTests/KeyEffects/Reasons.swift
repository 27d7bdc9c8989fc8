/// Values that may do nothing, each with its reason.
enum Reasons {
  /// Why a change of the value at `path` of a file moves no figure; nil where one must move.
  static func forNothing(_ file: String, _ path: String) -> String? {
    all.first { $0.paths.contains(path) && ($0.files.isEmpty || $0.files.contains(file)) }?.why
  }

  private struct Reason {
    var why: String
    var paths: Set<String>
    /// Files for which it holds; none for all.
    var files: Set<String> = []
  }

  private static let all: [Reason] = [
    Reason(
      why: "a name",
      paths: [
        "name", "summary", "source", "precision.name", "device.name", "node.link.name",
        "node.adapters.name", "network.name",
      ])
  ]
}
