import Documents
import Quantities

/// A sweep over layouts that somebody measured: a file of theirs, which does not ship.
///
/// Comma-separated, the first line names the columns: `model` (one of `LayoutModel`), `gpus`, `tp`, `pp`, `dp`,
/// `fsdp_zero` (`zero0` or `zero1`), `microbatch`, `grad_accum`, `value` (tokens a second and GPU),
/// `peak_memory_gib` (may be empty) and `status` (`ok`, or anything else for a run that failed).
package struct MeasuredLayouts: Sendable {
  package var rows: [PublishedRow]

  private static let columns = [
    "model", "gpus", "tp", "pp", "dp", "fsdp_zero", "microbatch", "grad_accum", "value",
    "peak_memory_gib", "status",
  ]

  /// - Parameter file: what messages call the text.
  /// - Throws: `ConfigurationError` for a column that is missing, a model or a word that is not known, a number that
  ///   is none, and degrees whose product is not the number of GPUs.
  package init(_ bytes: [UInt8], file: String) throws(ConfigurationError) {
    rows = PublishedTable(bytes).rows
    guard let columns = rows.first?.columns else {
      throw ConfigurationError(file: file, rule: "has no rows of layouts")
    }
    for column in Self.columns where !columns.contains(column) {
      throw ConfigurationError(
        file: file, line: 1, rule: "has no column \(column)",
        suggestion: nearestName(to: column, among: columns))
    }
    for (index, row) in rows.enumerated() { try Self.check(row, file: file, line: index + 2) }
  }

  private static func check(
    _ row: PublishedRow, file: String, line: Int
  ) throws(ConfigurationError) {
    func refusal(_ column: String, _ rule: String, nearest: String? = nil) -> ConfigurationError {
      ConfigurationError(
        file: file, line: line, keyPath: column, value: row[column], rule: rule,
        suggestion: nearest)
    }
    let models = LayoutModel.allCases.map(\.rawValue)
    guard LayoutModel(rawValue: row["model"]) != nil else {
      throw refusal(
        "model", "expected \(models.joined(separator: ", "))",
        nearest: nearestName(to: row["model"], among: models))
    }
    guard ["zero0", "zero1"].contains(row["fsdp_zero"]) else {
      throw refusal("fsdp_zero", "expected zero0 or zero1")
    }
    for column in ["gpus", "tp", "pp", "dp", "microbatch", "grad_accum"] {
      guard let number = Int(row[column]), (1...1_048_576).contains(number) else {
        throw refusal(column, "expected an integer 1 to 1,048,576")
      }
    }
    guard row.integer("tp") * row.integer("pp") * row.integer("dp") == row.integer("gpus") else {
      throw refusal("gpus", "expected tp times pp times dp")
    }
    func isFigure(_ column: String) -> Bool {
      Double(row[column]).map { $0.isFinite && $0 > 0 } ?? false
    }
    guard !row["status"].isEmpty else {
      throw refusal("status", "expected ok, or what a failed run is called")
    }
    guard row["status"] != "ok" || isFigure("value") else {
      throw refusal("value", "expected tokens a second and GPU of a run that went through")
    }
    guard row["peak_memory_gib"].isEmpty || isFigure("peak_memory_gib") else {
      throw refusal("peak_memory_gib", "expected GiB, or nothing")
    }
  }
}

/// The models of nanotron's benchmark (huggingface/nanotron scripts/scaling_benchmarks.py), which have a key head
/// for each query head, 131,072 tokens, and tied embeddings where the feed-forward width is below 10,000.
package enum LayoutModel: String, CaseIterable, Sendable {
  case small = "nanotron-llama-1B"
  case middle = "nanotron-llama-3B"
  case large = "nanotron-llama-8B"
  case huge = "nanotron-llama-80B"

  var layers: Int {
    switch self {
    case .small: 16
    case .middle: 28
    case .large: 32
    case .huge: 80
    }
  }

  private var sizes: (hidden: Int, heads: Int, width: Int) {
    switch self {
    case .small: (2_048, 32, 8_192)
    case .middle: (3_072, 32, 8_192)
    case .large: (4_096, 32, 14_336)
    case .huge: (8_192, 64, 28_672)
    }
  }

  private static let vocabulary = 131_072

  /// What of `llama-3.2-3b` differs.
  var overrides: [String] {
    let (hidden, heads, width) = sizes
    return [
      "hidden_size=\(hidden)", "num_hidden_layers=\(layers)", "num_attention_heads=\(heads)",
      "num_key_value_heads=\(heads)", "head_dim=\(hidden / heads)", "intermediate_size=\(width)",
      "vocab_size=\(Self.vocabulary)", "tie_word_embeddings=\(width < 10_000)",
    ]
  }

  /// Layers on each of so many stages, as nanotron spreads them: a block goes to the first stage whose share of
  /// all costs is not exceeded before it, where a layer counts its products and the head its own; nil where the
  /// last stages would have nothing.
  package func layersPerStage(_ stages: Int) -> [Int]? {
    let (hidden, _, width) = sizes
    let layer = 4 * hidden * hidden + 3 * hidden * width
    let head = Self.vocabulary * hidden
    let total = layers * layer + head
    var counts = [Int](repeating: 0, count: stages)
    var stage = 0
    for number in 1...layers {
      guard stage < stages else { return nil }
      counts[stage] += 1
      if number * layer * stages > total * (stage + 1) { stage += 1 }
    }
    return stage == stages - 1 ? counts : nil
  }
}
