import Costs

/// A kernel that streams memory, measured by the probe.
public struct StreamCell: Hashable, Sendable {
  /// What the probe calls it: `rms-norm forward, rows=4096, columns=8192`.
  public var name: String
  public var kernel: StreamingClass
  /// Bytes as prices count them, read and written.
  public var bytes: Double
  public var measuredSeconds: Double
}

/// Streaming kernels of one device, halved: of every class every second by size is fitted, the others are predicted.
///
/// Each is one kernel: PyTorch 2.11's own or, of gated units and rotations, what its compiler makes; of two H100s
/// the mean (benchmarks/probe).
public struct StreamCells: Sendable {
  public enum Device: String, Sendable {
    case h100, h200
  }

  public var fitted: [StreamCell] = []
  public var predicted: [StreamCell] = []

  public init(_ device: Device) {
    let all = ComponentTable(PackageResources.probe_streams_csv).rows
      .filter { $0.text("device") == device.rawValue }.compactMap(Self.cell)
    for kernel in StreamingClass.allCases {
      let series = all.filter { $0.kernel == kernel }.sorted { $0.bytes < $1.bytes }
      for (place, cell) in series.enumerated() {
        if place.isMultiple(of: 2) { fitted.append(cell) } else { predicted.append(cell) }
      }
    }
  }

  private static func cell(_ row: [String: String]) -> StreamCell? {
    let words = ["name", "library", "direction"].map { row.text($0) }.joined(separator: " ")
    return kernels[words].map { kernel, share in
      StreamCell(
        name: "\(row.text("name")) \(row.text("direction")), \(row.text("shape"))", kernel: kernel,
        bytes: row.number("bytes") * share, measuredSeconds: row.number("us") * 1e-6)
    }
  }

  /// The probe's kernels that are one each: name, library and direction, the class, and what prices count of the bytes
  /// that the probe counts.
  ///
  /// Prices count a norm's backward as two numbers read and one written, the probe as four; of dropout the probe does
  /// not count the mask. Not here is the transposition of bytes: no recipe runs PyTorch's, whose rate is a ninth of what its
  /// compiler makes of casts in both directions.
  static let kernels: [String: (StreamingClass, Double)] = [
    "copy eager forward": (.copy, 1), "residual eager forward": (.elementwise, 1),
    "rms-norm eager forward": (.rmsnormForward, 1),
    "rms-norm eager backward": (.rmsnormBackward, 0.75),
    "layer-norm eager forward": (.layernormForward, 1),
    "layer-norm eager backward": (.layernormBackward, 0.75), "gelu eager forward": (.gelu, 1),
    "gelu eager backward": (.gelu, 1), "dropout eager forward": (.dropout, 1.25),
    "softmax eager forward": (.operatorOfSoftmax, 1), "gather-rows eager forward": (.permute, 1),
    "adamw fused update": (.optimizer, 1), "swiglu compiled forward": (.swigluForward, 1),
    "swiglu compiled backward": (.swigluBackward, 1), "rotation compiled forward": (.rope, 1),
    "rotation compiled backward": (.rope, 1),
  ]
}
