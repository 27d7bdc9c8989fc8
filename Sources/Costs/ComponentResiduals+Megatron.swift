import Clusters

extension ComponentResiduals {
  /// One layer of the 22B model on 8 A100 SXM: the clock under load is fitted to these rows.
  static func megatronLayers(on cluster: Cluster) throws -> ComponentResiduals {
    let device = try DeviceModel(cluster.device)
    let constants = try CollectiveConstants(cluster)
    let plain = MegatronLayer(device: device, collectives: constants, isSequenceParallel: false)
    let parallel = MegatronLayer(device: device, collectives: constants, isSequenceParallel: true)
    let table = ComponentTable(PackageResources.megatron_22b_layer_a100_csv)
    let rows = table.rows.filter { $0.text("quantity") != "layer_combined" }.map { row in
      let note = row.text("note")
      let layer = note.contains("SP") || note.contains("sequence") ? parallel : plain
      let forward = layer.forward
      var seconds = forward
      if row.text("quantity") == "layer_backward" {
        seconds = layer.backward
        if note.contains("full") { seconds += forward }
        if note.contains("selective") { seconds += layer.core }
      }
      return ComponentResidual(
        row: "\(note), \(row.text("quantity").dropFirst("layer_".count))",
        measuredSeconds: row.number("value") * 1e-3, predictedSeconds: seconds)
    }
    return ComponentResiduals(
      name: "22B layer, 8 A100 SXM", source: "arXiv 2205.05198 Table 4", isFitted: true,
      rows: rows)
  }
}

/// A GPT layer of hidden size 6,144 with 64 heads, 4 sequences of 2,048, over 8 tensor ranks.
private struct MegatronLayer {
  let device: DeviceModel
  let collectives: CollectiveConstants
  let isSequenceParallel: Bool

  private let tokens = 4 * 2_048
  private let hidden = 6_144
  private let ranks = 8
  private var attention: AttentionShape {
    AttentionShape(
      heads: 4 * 64 / 8, queries: 2_048, queryDimension: 96, valueDimension: 96, causal: false)
  }

  /// The four linear layers as (output columns, input columns) on one rank.
  private var linears: [(Int, Int)] {
    [
      (3 * hidden / ranks, hidden), (hidden, hidden / ranks), (4 * hidden / ranks, hidden),
      (hidden, 4 * hidden / ranks),
    ]
  }

  private func product(_ m: Int, _ n: Int, _ k: Int, pass: MatmulPass = .forward) -> Double {
    let shape = MatmulShape(m: m, n: n, k: k, pass: pass, accumulates: false)
    guard let cost = MatmulCost(device, library: .bf16) else {
      preconditionFailure("The A100 has 16-bit products.")
    }
    return cost.cost(shape).seconds + device.launchGap
  }

  private func stream(_ kernel: StreamingClass, _ bytesPerElement: Double, columns: Int) -> Double {
    let bytes = Double(tokens) * Double(columns) * bytesPerElement
    return StreamingCost(device).cost(kernel, bytes: bytes).seconds + device.launchGap
  }

  /// Columns of the activations outside attention and feed-forward layers.
  private var outside: Int { isSequenceParallel ? hidden / ranks : hidden }

  /// Two all-reduces, or two pairs of all-gather and reduce-scatter.
  private var communication: Double {
    let cost = CollectiveCost(collectives)
    let group = CollectiveGroup(ranks: ranks, ranksPerNode: ranks)
    let bytes = Double(tokens * hidden) * 2
    return isSequenceParallel
      ? 2
        * (cost.allGather(bytes: bytes, group: group).seconds
          + cost.reduceScatter(bytes: bytes, group: group).seconds)
      : 2 * cost.allReduce(bytes: bytes, group: group).seconds
  }

  /// The core of attention, which selective recomputation repeats.
  var core: Double {
    AttentionCost(device).unfusedForward(attention).seconds + 4 * device.launchGap
  }

  var forward: Double {
    let products = linears.reduce(0) { $0 + product(tokens, $1.0, $1.1) }
    let norms = 2 * stream(.layernormForward, 4, columns: outside)
    let dropouts = 2 * stream(.dropout, 7, columns: outside)
    let gelu = stream(.gelu, 4, columns: 4 * hidden / ranks)
    let layout = stream(.copy, 4, columns: 3 * hidden / ranks)
    return products + core + norms + dropouts + gelu + layout + communication
  }

  var backward: Double {
    let inputs = linears.reduce(0) { $0 + product(tokens, $1.1, $1.0, pass: .backwardInput) }
    let weights = linears.reduce(0) { $0 + product($1.0, $1.1, tokens, pass: .backwardWeight) }
    let core = AttentionCost(device).unfusedBackward(attention).seconds + 6 * device.launchGap
    let norms = 2 * stream(.layernormBackward, 8, columns: outside)
    let dropouts = 2 * stream(.dropout, 5, columns: outside)
    let gelu = stream(.gelu, 6, columns: 4 * hidden / ranks)
    let layout = stream(.copy, 4, columns: 3 * hidden / ranks)
    return inputs + weights + core + norms + dropouts + gelu + layout + communication
  }
}
