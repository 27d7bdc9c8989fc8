import Models
import Plans
import Programs

extension ValidationTable {
  /// Activations that a layer keeps, beside the formulas of arXiv 2205.05198, table 2.
  static func activationFormulas() -> ValidationTable {
    let architecture = Architecture.gpt(
      name: "22B", hidden: 6_144, layers: 4, heads: 64, vocabulary: 51_200, positions: 2_048)
    let (length, batch, hidden, heads, ranks) = (2_048.0, 4.0, 6_144.0, 64.0, 8.0)
    let unit = length * batch * hidden
    let square = 5 * heads * length / hidden
    let cases: [(String, Int, Bool, Recomputation, Double)] = [
      ("no parallelism", 1, false, .none, unit * (34 + square)),
      ("tensor", 8, false, .none, unit * (10 + 24 / ranks + square / ranks)),
      ("tensor and sequence", 8, true, .none, unit / ranks * (34 + square)),
      ("tensor, selective", 8, false, .selective, unit * (10 + 24 / ranks)),
      ("tensor and sequence, selective", 8, true, .selective, unit / ranks * 34),
      ("full recomputation", 1, false, .full, unit * 2),
    ]
    let rows = cases.map { name, tensor, isSequence, recomputation, bytes in
      let setting = LoweringSetting(
        sequences: 4, sequenceLength: 2_048, tensor: tensor, sequenceParallel: isSequence,
        recipe: .bfloat16, target: .device, recomputation: recomputation, fusedAttention: false,
        fusedHead: false, dropout: true)
      let kept = [3, 2].map { layers in
        StageProgram(units: (1...layers).map { .layer($0 - 1) }, of: architecture, setting)
          .keptActivationBytes
      }
      return ValidationRow(
        name, prediction: Double(kept[0] - kept[1]) / 1e6, publication: bytes / 1e6, unit: "MB")
    }
    return ValidationTable(
      "activation-formulas", title: "Activations kept for a layer of 22B, 4 sequences of 2,048",
      source: "arXiv 2205.05198 table 2", basis: .exact, fittedTo: "nothing: buffers counted",
      rows: rows)
  }
}

extension StageProgram {
  /// Bytes of activations that are alive when a forward is over: what it keeps for its backward.
  fileprivate var keptActivationBytes: Int {
    func bytes(_ id: BufferID) -> Int {
      let buffer = buffers[Int(id.index)]
      guard buffer.use == .activation, case .fixed(let rows) = buffer.rows else { return 0 }
      return rows * buffer.bytesPerRow
    }
    return forward.steps.reduce(0) { sum, step in
      switch step {
      case .acquire(let id): sum + bytes(id)
      case .release(let id): sum - bytes(id)
      default: sum
      }
    }
  }
}
