import Clusters
import Foundation

/// A cluster's file that says what differs from a base: measured constants, each with its source.
struct ClusterText {
  var name: String
  var base: Cluster
  /// As the file names it.
  var baseName: String
  /// Whose kernels the base's device borrows; nil where it has its own.
  var kernels: String?
  var constants: [FittedConstant]

  /// The file.
  var text: String {
    var tree = Branch()
    for constant in constants {
      tree.add(constant.path.split(separator: ".").map(String.init)[...], constant)
    }
    var lines = [
      "# What differs from \(baseName): measured, with files and residuals. The rest is that "
        + "cluster's; all of it is shown",
      "# by sluice cluster, and what may be left alone is everything that is not here.",
      "", "name: \(quoted(name))",
      "summary: \(quoted("\(base.rankCount) x \(base.device.name), calibrated on top of \(base.name)"))",
      "nodes: \(base.nodes.value)",
    ]
    if let price = base.priceLine { lines.append(price) }
    for section in ["device", "node", "network"] {
      if section == "network", base.network == nil { continue }
      lines.append("")
      lines += self.section(section, tree.branches.first { $0.key == section }?.branch)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func section(_ key: String, _ branch: Branch?) -> [String] {
    let borrows = key == "device" && kernels != nil
    guard branch != nil || borrows else { return ["\(key): \(quoted(baseName))"] }
    var lines = ["\(key):", "  like: \(quoted(baseName))"]
    var branch = branch ?? Branch()
    if borrows, let kernels {
      lines += ["  kernels-scaled: true", "  kernels:", "    like: \(quoted(kernels))"]
      if let place = branch.branches.firstIndex(where: { $0.key == "kernels" }) {
        lines += branch.branches.remove(at: place).branch.lines(4)
      }
    }
    return lines + branch.lines(2)
  }

  /// Keys of a table in the order in which they were found.
  private struct Branch {
    var branches: [(key: String, branch: Branch)] = []
    var constant: FittedConstant?

    mutating func add(_ keys: ArraySlice<String>, _ constant: FittedConstant) {
      guard let key = keys.first else {
        self.constant = constant
        return
      }
      let place = branches.firstIndex { $0.key == key }
      if place == nil { branches.append((key, Branch())) }
      branches[place ?? branches.count - 1].branch.add(keys.dropFirst(), constant)
    }

    func lines(_ indent: Int) -> [String] {
      let margin = String(repeating: " ", count: indent)
      return branches.flatMap { key, branch -> [String] in
        guard let constant = branch.constant else {
          return ["\(margin)\(key):"] + branch.lines(indent + 2)
        }
        guard let text = constant.text else { return ["\(margin)\(key): null"] }
        let word = constant.isAssumed ? "assumption" : "source"
        return ["\(margin)\(key): {value: \(text), \(word): \(quoted(constant.source))}"]
      }
    }
  }
}

/// A text as YAML has it in double quotes.
private func quoted(_ text: String) -> String {
  let plain = text.unicodeScalars.map { scalar -> String in
    switch scalar {
    case "\"": "\\\""
    case "\\": "\\\\"
    case _ where scalar.value < 0x20 || scalar.value == 0x7F: " "
    default: String(scalar)
    }
  }
  return "\"\(plain.joined())\""
}

/// The folder that relative paths are sought from.
func workingFolder() -> String { FileManager.default.currentDirectoryPath }
