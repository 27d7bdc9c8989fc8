import Documents
import Quantities

extension Cluster {
  /// The names of the descriptions that the program carries and can simulate, in alphabetical order.
  public static let shippedNames: [String] =
    files.map(\.name).filter { !dataSheetNames.contains($0) }

  /// The names of those whose devices are data sheets: nobody measured their kernels.
  public static let dataSheetNames = ["l40s-64", "mi300x-64", "rtx4090-64"]

  /// The one whose kernels stand in where a device has none and something has to begin with some.
  public static let standIn = "h100-2048"

  /// All names, in alphabetical order.
  public static let knownNames: [String] = files.map(\.name)

  /// The description of that name as it was written; nil where none ships.
  public static func shippedText(_ name: String) -> String? {
    files.first { $0.name == name }.map { String(decoding: $0.bytes, as: UTF8.self) }
  }

  /// The cluster of that name, with overrides written `key=value`.
  public static func shipped(
    _ name: String, overrides: [String] = []
  ) throws(ConfigurationError) -> Cluster {
    try Cluster(try shippedDocument(name), overrides: overrides)
  }

  /// The cluster that a person means: a name stands for what ships, a path for a file.
  public static func named(
    _ nameOrPath: String, overrides: [String] = []
  ) throws(ConfigurationError) -> Cluster {
    isPath(nameOrPath)
      ? try Cluster(path: nameOrPath, overrides: overrides)
      : try shipped(nameOrPath, overrides: overrides)
  }

  /// The sections that may be the name of another description, whose section is then taken; a
  /// section stands in front of those within it.
  static let sections =
    ["device", "device.kernels", "device.kernels.matmul"]
    + MatmulLibrary.allCases.map { "device.kernels.matmul.\($0.rawValue)" } + [
      "device.kernels.attention", "device.kernels.streaming", "node", "node.exchange",
      "node.collectives", "network", "failures", "storage",
    ]

  /// Puts the sections of other files in place of their names: `device: h800-2048`.
  ///
  /// A relative path is sought beside the file that names it. Of a file that another one names, only
  /// the section asked for is composed.
  static func compose(
    _ document: Document, only wanted: String? = nil, depth: Int = 0
  ) throws(ConfigurationError) -> Document {
    var composed = document
    for key in sections {
      if let wanted, !(wanted + ".").hasPrefix(key + "."), !key.hasPrefix(wanted + ".") { continue }
      func described(
        _ field: Field, _ text: String
      ) throws(ConfigurationError) -> Document {
        guard depth < 8 else {
          throw field.error("leads through more than 8 files, or in a circle")
        }
        guard isPath(text) else {
          guard files.contains(where: { $0.name == text }) else {
            throw field.error(
              "expected a table, the name of a shipped cluster or a path",
              suggestion: nearestName(to: text, among: knownNames))
          }
          return try compose(try shippedDocument(text), only: key, depth: depth + 1)
        }
        let folder = document.name.lastIndex(of: "/").map { document.name[...$0] } ?? ""
        let path = text.hasPrefix("/") ? text : folder + text
        return try compose(try other(path, named: field), only: key, depth: depth + 1)
      }
      try composed.compose(key, resolve: described)
      try composed.extend(key, resolve: described)
    }
    return composed
  }

  /// The file at a path; what is wrong with it as a whole is told where the path is written.
  private static func other(_ path: String, named field: Field) throws(ConfigurationError)
    -> Document
  {
    do throws(ConfigurationError) {
      return try Document(file: path)
    } catch {
      throw error.line == nil ? field.error(error.rule) : error
    }
  }

  private static func isPath(_ text: String) -> Bool {
    text.contains("/") || [".yaml", ".yml", ".json"].contains { text.hasSuffix($0) }
  }

  private static func shippedDocument(_ name: String) throws(ConfigurationError) -> Document {
    guard let file = files.first(where: { $0.name == name }) else {
      throw ConfigurationError(
        file: "cluster", value: name,
        rule: "no such cluster ships; there are \(knownNames.joined(separator: ", ")); "
          + "the path of a file has a slash or ends in .yaml, .yml or .json",
        suggestion: nearestName(to: name, among: knownNames))
    }
    return try documents.document(file.bytes, name: "\(name).yaml")
  }

  private static let documents = ShippedDocuments()

  private static let files: [(name: String, bytes: [UInt8])] = [
    ("a100-40gb-160", PackageResources.a100_40gb_160_yaml),
    ("a100-dgx-160", PackageResources.a100_dgx_160_yaml),
    ("a100-pcie", PackageResources.a100_pcie_yaml),
    ("a100-roce", PackageResources.a100_roce_yaml),
    ("a100-selene", PackageResources.a100_selene_yaml),
    ("a100-vtrain-512", PackageResources.a100_vtrain_512_yaml),
    ("aws-p5", PackageResources.aws_p5_yaml),
    ("b200-256", PackageResources.b200_256_yaml),
    ("gb200-nvl72", PackageResources.gb200_nvl72_yaml),
    ("h100-2048", PackageResources.h100_2048_yaml),
    ("h200-256", PackageResources.h200_256_yaml),
    ("h800-2048", PackageResources.h800_2048_yaml),
    ("h800-2048-mrft", PackageResources.h800_2048_mrft_yaml),
    ("l40s-64", PackageResources.l40s_64_yaml),
    ("mi300x-64", PackageResources.mi300x_64_yaml),
    ("rtx4090-64", PackageResources.rtx4090_64_yaml),
  ]
}
