import Documents
import Foundation

/// The folder of a task's data: questions, demonstrations, a tokenizer, and a model small enough to learn
/// it on two cores.
public enum TaskFolder {
  /// The names of the files, in the order in which they are written.
  public static let names =
    TaskSplit.allCases.map { "\($0.rawValue).jsonl" } + ["tokenizer.json", "config.json"]

  /// Writes the files; the folder is made where it is missing.
  ///
  /// - Throws: `ConfigurationError` where one of the files is there already, or the disk refuses.
  public static func write(_ data: TaskData, to folder: String) throws(ConfigurationError) {
    guard !folder.isEmpty, !folder.utf8.contains(0) else {
      throw ConfigurationError(file: folder, rule: "is not a path")
    }
    for name in names where FileManager.default.fileExists(atPath: "\(folder)/\(name)") {
      throw ConfigurationError(
        file: "\(folder)/\(name)", rule: "cannot be written: it is there; choose another folder")
    }
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), !isFolder.boolValue {
      throw ConfigurationError(file: folder, rule: "is not a folder", status: .storage)
    }
    do throws(CheckpointError) {
      _ = try makeFolder(folder)
    } catch {
      throw ConfigurationError(file: folder, rule: error.rule, status: .storage)
    }
    let paths = try names.map { name throws(ConfigurationError) in
      try OutputPath("\(folder)/\(name)", besides: [])
    }
    for (split, path) in zip(TaskSplit.allCases, paths) {
      try JSONLines.write(data.lines(of: split), to: path)
    }
    let tokenizer = data.tokenizer
    try OutputFile.write(tokenizer.json, to: paths[TaskSplit.allCases.count])
    try OutputFile.write(
      configuration(vocabulary: tokenizer.vocabularySize), to: paths[TaskSplit.allCases.count + 1])
  }

  /// A Llama of two layers of 64, some 105,000 parameters.
  ///
  /// Weights begin with a deviation of one over the root of the width: at 0.02 a model this small stays
  /// at chance.
  static func configuration(vocabulary: Int) -> String {
    """
    {
      "architectures": ["LlamaForCausalLM"],
      "model_type": "llama",
      "attention_bias": false,
      "attention_dropout": 0.0,
      "dtype": "float32",
      "hidden_act": "silu",
      "hidden_size": 64,
      "initializer_range": 0.125,
      "intermediate_size": 176,
      "max_position_embeddings": 256,
      "mlp_bias": false,
      "num_attention_heads": 4,
      "num_hidden_layers": 2,
      "num_key_value_heads": 4,
      "rms_norm_eps": 1e-05,
      "rope_theta": 10000.0,
      "tie_word_embeddings": false,
      "vocab_size": \(vocabulary)
    }

    """
  }
}
