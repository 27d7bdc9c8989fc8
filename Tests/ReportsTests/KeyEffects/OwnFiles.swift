import Clusters
import Documents
import Foundation
import Models
import Plans
import Schedules

/// Files with every key that no shipped file has, written for the test that keys act.
struct OwnFiles {
  /// Where the files lie that others name.
  let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    _ = try scratch.write(Self.order(microbatches: 8), "order.csv")
    _ = try scratch.write(Self.counts { _ in 5 }, "even.csv")
    _ = try scratch.write(Self.counts { $0 % 3 + 4 }, "uneven.csv")
    _ = try scratch.write("700\n200\n900\n", "documents.txt")
    _ = try scratch.write("300\n100\n", "short.txt")
    _ = try scratch.write(Self.run, "run.yaml")
    for name in ["h800-2048", "a100-pcie"] {
      let text = try Scenes.shippedClusterText(name)
      let other =
        text
        .replacing("network-share: {value: 0.", with: "network-share: {value: 0.0")
        .replacing("forward-share: {value: 0.", with: "forward-share: {value: 0.0")
        .replacing("forward-share-wide: {value: 0.", with: "forward-share-wide: {value: 0.0")
        .replacing("rmsnorm-forward: {value: 1.", with: "rmsnorm-forward: {value: 0.")
        .replacing("step-overhead: {value: 1", with: "step-overhead: {value: 7")
        .replacing("promotion: {value: 1.", with: "promotion: {value: 2.")
        .replacing("failures: h100-2048", with: "failures: {like: h100-2048, requeue: 9 s}")
        .replacing("write: {value: 10 GiB/s", with: "write: {value: 20 GiB/s")
      _ = try scratch.write(other, "other-\(name).yaml")
    }
  }

  /// Descriptions whose tables may be taken.
  var otherClusters: [String] {
    ["h800-2048", "a100-pcie"].map { scratch.file("other-\($0).yaml") }
  }

  /// Other values of keys whose description suggests none.
  func alternatives(_ path: String) -> [String] {
    switch path {
    case "schedule-file": [scratch.file("order.csv")]
    case "expert-load": ["{deviation: 0.2, seed: 1}"]
    case "failures.at": ["[777 s]"]
    case "expert-load.counts": [scratch.file("uneven.csv")]
    case "documents.lengths": [scratch.file("short.txt")]
    case "units-per-stage": Self.unevenUnits
    default: []
    }
  }

  /// Uneven layouts of the shipped plans that spread their units evenly: 24 on 8, 32 on 8, 48 on 16 and
  /// 64 on 32.
  private static let unevenUnits = [(8, 3), (8, 4), (16, 3), (32, 2)].map { stages, units in
    let counts = [units + 1, units - 1] + Array(repeating: units, count: stages - 2)
    return "[\(counts.map(String.init).joined(separator: ", "))]"
  }

  private static func order(microbatches: Int) throws -> String {
    try ScheduleName.gpipe.schedule(ranks: 2, microbatches: microbatches).csv
  }

  /// Counts for the small mixture of `Scenes`, whose layer 0 is dense.
  private static func counts(_ count: (Int) -> Int) -> String {
    "layer,expert,tokens\n"
      + (1...4).flatMap { layer in (0..<256).map { "\(layer),\($0),\(count($0))\n" } }.joined()
  }

  // MARK: Plans

  /// Plans on a small cluster, each with its own name.
  func plans() throws -> [(name: String, scene: Scene)] {
    let cluster = try Scenes.shippedCluster("h800-2048")
    let hopper = try Scenes.shippedCluster("h100-2048")
    let first = try ScheduleName.oneForwardOneBackward.schedule(ranks: 2, microbatches: 8).csv
    let given = try scratch.write(first, "given.csv")
    return try [
      ("experts", "deepseek-v3", Self.mixture, Self.experts),
      ("precision", "deepseek-v3", Self.mixture, Self.precision),
      ("pairs", "deepseek-v3", Self.mixture, Self.pairs),
      ("counts", "deepseek-v3", Self.mixture, Self.counts(scratch.file("even.csv"))),
      ("tensor", "deepseek-v3", Self.mixture, Self.tensor),
      ("dense", "megatron-22b", ["n_layer=8"], Self.dense),
      ("context", "llama-3.1-8b", ["num_hidden_layers=4"], Self.context),
      (
        "order", "llama-3.1-8b", ["num_hidden_layers=4"],
        Self.order(given, documents: scratch.file("documents.txt"))
      ),
      ("float8", "llama-3.1-8b", ["num_hidden_layers=4"], Self.float8),
    ].map { name, model, changes, text in
      let plan = try Document(text: text, name: "\(name).yaml")
      return (
        name,
        Scene(
          model: model, modelChanges: changes, cluster: name == "float8" ? hopper : cluster,
          plan: plan)
      )
    }
  }

  private static let mixture = ["num_hidden_layers=4", "first_k_dense_replace=1"]

  private static let experts = """
    data-parallel: 32
    pipeline-parallel: 2
    expert-parallel: 32
    zero-stage: 1
    global-batch: 256
    microbatch-size: 1
    sequence-length: 1024
    gradient-lanes: 64
    schedule: interleaved-1f1b
    stages-per-rank: 2
    layers-per-stage: [1, 1, 1, 1]
    send-mode: eager
    dispatcher: deepep
    token-counts: host
    loss-average: microbatch
    nodes-per-token: 2
    redundant-experts: 32
    communication-sms: 16
    computation-sms: 100
    collective-algorithm: ring
    gradient-bucket: 50000000
    overlap:
      pipeline-sends: true
      expert-exchange: false
      gradient-reduction: true
      parameter-gather: false
      tensor-exchange: false
    expert-load:
      deviation: 0.1
      seed: 3
      correlation: {layers: 0.25, microbatches: 0.5}
    """

  private static let pairs = """
    data-parallel: 32
    pipeline-parallel: 2
    expert-parallel: 32
    global-batch: 128
    sequence-length: 1024
    schedule: dualpipe
    pair-order: [b:attention, b:experts, f:attention, f:experts]
    """

  private static let precision = """
    data-parallel: 32
    pipeline-parallel: 2
    expert-parallel: 32
    zero-stage: 1
    global-batch: 64
    sequence-length: 1024
    library: fp8-2025-02
    recompute: none
    precision:
      base: fp8-deepseek
      name: own
      linear-weights: e4m3
      other-parameters: bf16
      gradients: float32
      moments: bf16
      linear-operands: e4m3
      attention-operands: bf16
      head-operands: bf16
      activations: bf16
      kept-linear-inputs: e4m3
      kept-attention-outputs: e5m6
      kept-activation-inputs: e4m3
      dispatch: e4m3
      combine: bf16
      pipeline-sends: bf16
      gradient-reduction: float32
      parameter-gather: bf16
      master-weights: float32
      tensor-gather: bf16
      scale-block: 128
      fp8-scaling: blocks
      fp8-param-gather: false
      bf16-first-layers: 0
      bf16-last-layers: 1
    """

  private static func counts(_ file: String) -> String {
    """
    data-parallel: 8
    pipeline-parallel: 2
    expert-parallel: 8
    global-batch: 16
    sequence-length: 256
    expert-load: {counts: "\(file)"}
    """
  }

  private static let tensor = """
    data-parallel: 8
    tensor-parallel: 2
    sequence-parallel: true
    expert-parallel: 4
    expert-tensor-parallel: 2
    expert-load: balanced
    zero-stage: 3
    sharding-group: 4
    reshard-after-forward: true
    overlap: {prefetch: 1}
    global-batch: 16
    sequence-length: 1024
    lora: {rank: 16, targets: [output, down]}
    """

  private static let dense = """
    data-parallel: 2
    tensor-parallel: 2
    sequence-parallel: false
    pipeline-parallel: 4
    zero-stage: 1
    global-batch: 24
    sequence-length: 512
    schedule: zb-2p
    pass-times: {forward: 10 ms, backward-input: 11 ms, backward-weight: 8 ms, transfer: 1 ms}
    scatter-pipeline-sends: true
    units-per-stage: [3, 3, 2, 2]
    fused-attention: true
    fused-head: false
    fused-loss: true
    dropout: false
    expandable-segments: false
    memory-reserve: 2 GiB
    framework: plain
    gradient-accumulation-fusion: true
    offload: {activations: 0.5, optimizer: 0.5}
    """

  private static let context = """
    data-parallel: 2
    context-parallel: 2
    context-exchange: ring
    attention-library: flash-3
    execution: eager
    cuda-graphs: false
    global-batch: 8
    sequence-length: 2048
    recompute: full
    recompute-layers: 2
    optimizer: muon
    frozen: [embedding]
    loss: fused
    documents:
      lengths: {mean: 600, deviation: 1.5, seed: 1}
      packing: cut
      mask: document
    """

  private static let float8 = """
    data-parallel: 4
    tensor-parallel: 2
    sequence-parallel: true
    zero-stage: 1
    global-batch: 8
    sequence-length: 1024
    precision:
      base: fp8-tensor
      tensor-gather: e4m3
      fp8-scaling: current
      fp8-param-gather: false
      bf16-first-layers: 0
      bf16-last-layers: 0
    """

  private static func order(_ file: String, documents: String) -> String {
    """
    pipeline-parallel: 2
    data-parallel: 1
    global-batch: 8
    sequence-length: 1024
    documents: {lengths: "\(documents)", packing: whole}
    schedule-file: "\(file)"
    """
  }

  // MARK: Clusters

  /// A cluster with three layers of small switches, ports of their own and a shared link in its nodes.
  static func layered(nodes: Int, degraded: String = "") -> String {
    """
    name: layered
    summary: keys that no shipped cluster has
    nodes: \(nodes)
    price: 2
    device:
      name: own
      multiprocessors: 132
      peak:
        {fp8: 1979 TFLOPS, mxfp8: 1979 TFLOPS, bf16: 989 TFLOPS, fp16: 989 TFLOPS,
        tf32: 494.5 TFLOPS, fp32: 66.9 TFLOPS}
      clock: {boost: 1830 MHz, loaded: 1600 MHz}
      memory: {size: 80 GB, bandwidth: 3.35 TB/s, reached: 3 TB/s}
      shared-memory: 233472 B
      launch: {gap: 2 us, host: 5 us}
      kernels: h800-2048
      kernels-scaled: true
    node:
      devices: 8
      link:
        {name: PCIe, bandwidth: 64 GB/s, reached: 50 GB/s, latency: 5 us, shared-bandwidth: 150 GB/s}
      adapters: {name: adapter, count: 4, bandwidth: 50 GB/s, reached: 40 GB/s}
      exchange: h800-2048
      collectives: h800-2048
    network:
      name: small switches
      planes: 1
      attachment: node
      layers:
        - {radix: 8, oversubscription: 3}
        - {radix: 8, oversubscription: 1}
        - {radix: 16}
      latency: {same-leaf: 2 us, cross-leaf: 3 us, cross-pod: 4 us}
      port: {bandwidth: 40 GB/s, reached: 30 GB/s}
    \(degraded.isEmpty ? "slow-hosts: {share: 0.1, speed: 0.8, seed: 1}" : "degraded: [\(degraded)]")
    """
  }

  /// A cluster as `calibrate` writes it, with what no shipped one was measured for.
  static let calibrated = """
    name: calibrated
    summary: what all-to-alls between nodes say
    nodes: 256
    price: 2
    device: h100-2048
    node:
      like: h100-2048
      collectives:
        all-to-all:
          network-start: {value: 30 us, source: a log}
    network: h100-2048
    """

  /// One thing that is slower, each of every kind.
  static let degradations = [
    "{what: device, rank: 1, share: 0.5}", "{what: node-link, rank: 1, share: 0.1}",
    "{what: adapter, node: 1, index: 1, share: 0.25}",
    "{what: leaf-uplinks, plane: 0, leaf: 1, share: 0.25}",
    "{what: spine-uplinks, plane: 0, pod: 1, share: 0.25}",
  ]
}
