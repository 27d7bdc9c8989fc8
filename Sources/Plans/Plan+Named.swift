import Documents
import Foundation
import Quantities

extension Plan {
  /// The names of the plans that ship, in the order in which they are listed to people.
  public static var shippedNames: [String] { shipped.map(\.name) }

  /// The file of a plan that ships, for printing and copying; nil if none has the name.
  public static func shippedText(named name: String) -> String? {
    shipped.first { $0.name == name }.map { String(decoding: $0.bytes, as: UTF8.self) }
  }

  /// The plan that ships under a name, or that a file describes.
  ///
  /// - Parameters:
  ///   - nameOrPath: a name from `shippedNames`, or a path; what holds a `/`, ends in `.yaml` or
  ///     exists as a file is a path.
  ///   - overrides: values that replace the file's, each `key=value`.
  ///   - world: the ranks from which omitted degrees are worked out.
  ///   - serves: whether the plan is of a deployment, whose file needs no batch and length of training.
  /// - Throws: `ConfigurationError` with file, line, key and rule, or the nearest name.
  public static func named(
    _ nameOrPath: String, overrides: [String] = [], world: World = .unknown, serves: Bool = false
  ) throws(ConfigurationError) -> Plan {
    if let plan = shipped.first(where: { $0.name == nameOrPath }) {
      return try read(
        documents.document(plan.bytes, name: "\(plan.name).yaml"), name: plan.name,
        overrides: overrides, world: world, serves: serves)
    }
    guard
      nameOrPath.contains("/") || nameOrPath.hasSuffix(".yaml")
        || FileManager.default.fileExists(atPath: nameOrPath)
    else {
      throw ConfigurationError(
        file: nameOrPath,
        rule: "is neither a file nor a plan that ships (\(shippedNames.joined(separator: ", ")))",
        suggestion: nearestName(to: nameOrPath, among: shippedNames))
    }
    let url = URL(fileURLWithPath: nameOrPath)
    return try read(
      Document(file: nameOrPath), name: url.deletingPathExtension().lastPathComponent,
      folder: url.deletingLastPathComponent().path, overrides: overrides, world: world,
      serves: serves)
  }

  /// The plan that a parsed file describes.
  ///
  /// - Parameters:
  ///   - folder: where relative paths inside the plan start; nil for the working directory.
  ///   - serves: whether the plan is of a deployment, whose file needs no batch and length of training.
  public static func read(
    _ document: Document, name: String, folder: String? = nil, overrides: [String] = [],
    world: World = .unknown, serves: Bool = false
  ) throws(ConfigurationError) -> Plan {
    var document = document
    try document.set(overrides)
    let table = try document.table()
    var reader = PlanReader(table: table, name: name, folder: folder, serves: serves)
    let plan = try reader.read(world: world)
    try table.finish()
    return plan
  }

  /// The plan in a table of another file; whoever opened the table finishes it.
  ///
  /// - Parameter serves: whether the plan is of a deployment, which needs no batch and length of training.
  public static func read(
    _ table: Table, name: String, folder: String? = nil, world: World = .unknown,
    serves: Bool = false
  ) throws(ConfigurationError) -> Plan {
    var reader = PlanReader(table: table, name: name, folder: folder, serves: serves)
    return try reader.read(world: world)
  }

  private static let documents = ShippedDocuments()

  private static let shipped: [(name: String, bytes: [UInt8])] = [
    ("deepseek-v3", PackageResources.deepseek_v3_yaml),
    ("llama-3.1-8b", PackageResources.llama_3_1_8b_yaml),
    ("llama-3.1-70b", PackageResources.llama_3_1_70b_yaml),
    ("megatron-22b-full", PackageResources.megatron_22b_full_yaml),
    ("megatron-22b-selective", PackageResources.megatron_22b_selective_yaml),
    ("megatron-175b-full", PackageResources.megatron_175b_full_yaml),
    ("megatron-175b-selective", PackageResources.megatron_175b_selective_yaml),
    ("megatron-530b-full", PackageResources.megatron_530b_full_yaml),
    ("megatron-530b-selective", PackageResources.megatron_530b_selective_yaml),
    ("megatron-1t-full", PackageResources.megatron_1t_full_yaml),
    ("megatron-1t-selective", PackageResources.megatron_1t_selective_yaml),
    ("megatron-sc21-1.7b", PackageResources.megatron_sc21_1_7b_yaml),
    ("megatron-sc21-3.6b", PackageResources.megatron_sc21_3_6b_yaml),
    ("megatron-sc21-7.5b", PackageResources.megatron_sc21_7_5b_yaml),
    ("megatron-sc21-18b", PackageResources.megatron_sc21_18b_yaml),
    ("megatron-sc21-39b", PackageResources.megatron_sc21_39b_yaml),
    ("megatron-sc21-76b", PackageResources.megatron_sc21_76b_yaml),
    ("megatron-sc21-145b", PackageResources.megatron_sc21_145b_yaml),
    ("megatron-sc21-310b", PackageResources.megatron_sc21_310b_yaml),
    ("megatron-sc21-530b", PackageResources.megatron_sc21_530b_yaml),
    ("megatron-sc21-1t", PackageResources.megatron_sc21_1t_yaml),
    ("zero-bubble-1.5b", PackageResources.zero_bubble_1_5b_yaml),
    ("zero-bubble-6.2b", PackageResources.zero_bubble_6_2b_yaml),
    ("zero-bubble-14.6b", PackageResources.zero_bubble_14_6b_yaml),
    ("zero-bubble-28.3b", PackageResources.zero_bubble_28_3b_yaml),
    ("vtrain-3.6b", PackageResources.vtrain_3_6b_yaml),
    ("vtrain-39b", PackageResources.vtrain_39b_yaml),
    ("nemo-gpt-3-175b", PackageResources.nemo_gpt_3_175b_yaml),
    ("torchtitan-llama-3.1-8b", PackageResources.torchtitan_llama_3_1_8b_yaml),
    ("llm-foundry-mpt-7b", PackageResources.llm_foundry_mpt_7b_yaml),
    ("deepseek-v3-decode", PackageResources.deepseek_v3_decode_yaml),
    ("deepseek-v3-prefill", PackageResources.deepseek_v3_prefill_yaml),
  ]
}
