import Documents
import Foundation
import Quantities

extension Architecture {
  /// The names of the models that ship, in the order in which they are listed to people.
  public static var shippedNames: [String] { shipped.map(\.name) }

  /// The `config.json` of a model that ships, for printing and copying; nil if none has the name.
  public static func shippedText(named name: String) -> String? {
    let known = shippedName(near: name)
    return shipped.first { $0.name == known }.map { String(decoding: $0.bytes, as: UTF8.self) }
  }

  /// The model that ships under a name, or that a `config.json` or a folder with one describes.
  ///
  /// - Parameters:
  ///   - nameOrPath: a name from `shippedNames`, Hugging Face's name of such a model
  ///     (`meta-llama/Llama-3.1-70B-Instruct`), a near spelling (`llama3-70b`), or a path; what else
  ///     holds a `/`, ends in `.json` or exists as a file is a path.
  ///   - overrides: values that replace the file's, each `key=value`.
  /// - Throws: `ConfigurationError` with file, line, key and rule, or the nearest name.
  public static func named(
    _ nameOrPath: String, overrides: [String] = []
  ) throws(ConfigurationError) -> Architecture {
    let known = shippedName(near: nameOrPath)
    if let model = shipped.first(where: { $0.name == known }) {
      return try read(
        documents.document(model.bytes, name: "\(model.name).json"), name: model.name,
        overrides: overrides)
    }
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: nameOrPath, isDirectory: &isFolder)
    guard exists || nameOrPath.contains("/") || nameOrPath.hasSuffix(".json") else {
      throw ConfigurationError(
        file: nameOrPath,
        rule: "is neither a file nor a model that ships (\(shippedNames.joined(separator: ", ")))",
        suggestion: nearestShippedName(to: nameOrPath))
    }
    if !exists, isRepository(nameOrPath) {
      throw ConfigurationError(
        file: nameOrPath,
        rule: "is no file, and sluice fetches none: download its config.json, or see sluice model "
          + "--list", suggestion: nearestShippedName(to: nameOrPath))
    }
    let file = isFolder.boolValue ? "\(nameOrPath)/config.json" : nameOrPath
    return try read(
      Document(file: file, atMost: largestFile), name: name(ofFile: file), overrides: overrides)
  }

  /// The model that a parsed `config.json` describes.
  public static func read(
    _ document: Document, name: String, overrides: [String] = []
  ) throws(ConfigurationError) -> Architecture {
    var document = document
    try document.set(overrides)
    let table = try document.table(toleratesUnknownKeys: true)
    return try ConfigReader.read(table, name: name) { () throws(ConfigurationError) in
      // A config.json may say more than sluice reads; what the command line sets must act.
      try table.finish()
    }
  }

  /// Quantised checkpoints list every tensor in their description.
  private static let largestFile = 8 << 20

  /// A checkpoint is called by its folder, any other file by its own name.
  private static func name(ofFile path: String) -> String {
    let url = URL(fileURLWithPath: path)
    let own = url.deletingPathExtension().lastPathComponent
    return own == "config" ? url.deletingLastPathComponent().lastPathComponent : own
  }

  private static let documents = ShippedDocuments()

  private static let shipped: [(name: String, bytes: [UInt8])] = [
    ("deepseek-v3", PackageResources.deepseek_v3_json),
    ("deepseek-r1", PackageResources.deepseek_r1_json),
    ("deepseek-v2", PackageResources.deepseek_v2_json),
    ("llama-2-7b", PackageResources.llama_2_7b_json),
    ("llama-2-13b", PackageResources.llama_2_13b_json),
    ("llama-2-70b", PackageResources.llama_2_70b_json),
    ("llama-3.1-8b", PackageResources.llama_3_1_8b_json),
    ("llama-3.1-70b", PackageResources.llama_3_1_70b_json),
    ("llama-3.1-405b", PackageResources.llama_3_1_405b_json),
    ("gpt-3-175b", PackageResources.gpt_3_175b_json),
    ("megatron-1.7b", PackageResources.megatron_1_7b_json),
    ("megatron-3.6b", PackageResources.megatron_3_6b_json),
    ("megatron-7.5b", PackageResources.megatron_7_5b_json),
    ("megatron-18b", PackageResources.megatron_18b_json),
    ("megatron-22b", PackageResources.megatron_22b_json),
    ("megatron-39b", PackageResources.megatron_39b_json),
    ("megatron-76b", PackageResources.megatron_76b_json),
    ("megatron-145b", PackageResources.megatron_145b_json),
    ("megatron-175b", PackageResources.megatron_175b_json),
    ("megatron-310b", PackageResources.megatron_310b_json),
    ("megatron-530b", PackageResources.megatron_530b_json),
    ("megatron-1t", PackageResources.megatron_1t_json),
    ("megatron-core-1.7b", PackageResources.megatron_core_1_7b_json),
    ("megatron-core-32b", PackageResources.megatron_core_32b_json),
    ("megatron-core-177b", PackageResources.megatron_core_177b_json),
    ("mpt-1b", PackageResources.mpt_1b_json),
    ("mpt-7b", PackageResources.mpt_7b_json),
    ("mpt-30b", PackageResources.mpt_30b_json),
    ("zero-bubble-1.5b", PackageResources.zero_bubble_1_5b_json),
    ("zero-bubble-6.2b", PackageResources.zero_bubble_6_2b_json),
    ("zero-bubble-14.6b", PackageResources.zero_bubble_14_6b_json),
    ("zero-bubble-28.3b", PackageResources.zero_bubble_28_3b_json),
    ("mixtral-8x7b", PackageResources.mixtral_8x7b_json),
    ("mixtral-8x22b", PackageResources.mixtral_8x22b_json),
    ("qwen3-235b-a22b", PackageResources.qwen3_235b_a22b_json),
    ("llama-3-8b", PackageResources.llama_3_8b_json),
    ("llama-3-70b", PackageResources.llama_3_70b_json),
    ("llama-3.2-1b", PackageResources.llama_3_2_1b_json),
    ("llama-3.2-3b", PackageResources.llama_3_2_3b_json),
    ("qwen2.5-0.5b", PackageResources.qwen2_5_0_5b_json),
    ("qwen2.5-1.5b", PackageResources.qwen2_5_1_5b_json),
    ("qwen2.5-7b", PackageResources.qwen2_5_7b_json),
    ("qwen2.5-14b", PackageResources.qwen2_5_14b_json),
    ("qwen2.5-32b", PackageResources.qwen2_5_32b_json),
    ("qwen2.5-72b", PackageResources.qwen2_5_72b_json),
    ("qwen2-57b-a14b", PackageResources.qwen2_57b_a14b_json),
    ("qwen3-0.6b", PackageResources.qwen3_0_6b_json),
    ("qwen3-4b", PackageResources.qwen3_4b_json),
    ("qwen3-8b", PackageResources.qwen3_8b_json),
    ("qwen3-14b", PackageResources.qwen3_14b_json),
    ("qwen3-32b", PackageResources.qwen3_32b_json),
    ("qwen3-30b-a3b", PackageResources.qwen3_30b_a3b_json),
    ("mistral-7b-v0.1", PackageResources.mistral_7b_v0_1_json),
    ("gpt-oss-120b", PackageResources.gpt_oss_120b_json),
    ("glm-4.5", PackageResources.glm_4_5_json),
    ("gemma-2-9b", PackageResources.gemma_2_9b_json),
    ("gemma-3-27b", PackageResources.gemma_3_27b_json),
    ("phi-3-mini", PackageResources.phi_3_mini_json),
    ("olmo-2-7b", PackageResources.olmo_2_7b_json),
    ("qwen3-next-80b-a3b", PackageResources.qwen3_next_80b_a3b_json),
    ("gpt2", PackageResources.gpt2_json),
    ("llama-4-scout", PackageResources.llama_4_scout_json),
    ("nemotron-h-8b", PackageResources.nemotron_h_8b_json),
    ("mistral-7b", PackageResources.mistral_7b_json),
    ("mistral-nemo-12b", PackageResources.mistral_nemo_12b_json),
    ("gpt-oss-20b", PackageResources.gpt_oss_20b_json),
    ("kimi-k2", PackageResources.kimi_k2_json),
    ("glm-4.5-air", PackageResources.glm_4_5_air_json),
    ("gpt-neox-20b", PackageResources.gpt_neox_20b_json),
  ]
}
