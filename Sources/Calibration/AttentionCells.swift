import Costs

/// Attention that was measured: one kernel, or a forward with its backward.
public struct AttentionCell: Hashable, Sendable {
  public enum Pass: String, Hashable, Sendable {
    case forward, backward
    case both = "forward+backward"
  }

  public var pass: Pass
  public var shape: AttentionShape
  public var measuredSeconds: Double

  package init(pass: Pass, shape: AttentionShape, measuredSeconds: Double) {
    self.pass = pass
    self.shape = shape
    self.measuredSeconds = measuredSeconds
  }
}

/// One library's attention with heads of one width, halved: every second length of a series is fitted, the
/// others are predicted.
///
/// FlashAttention 2 and 3 on H100s are labels of the figures of arXiv 2407.08608 (16,384 tokens, 2,048 columns of
/// heads); cuDNN 9.19.1 on H200s is NVIDIA/cudnn-frontend at 3929da2 (MIT), heads of 128 and of 192 and 128. What
/// `probe.py` measured on two H100s joins them up to 32,768 tokens, beyond which power decides: cuDNN 9.19.0 and the
/// FlashAttention 2 of PyTorch 2.11. Left out: cuDNN's backward of 192 without a mask, another, slower kernel. FLOPs were turned into time as each counts them. Of B200s they are Transformer Engine's fused kernels
/// (MooreThreads/SimuMax at 4dcaae5, configs/system/b200_bf16_ceperm.json), whose FLOPs count the whole square; two
/// layouts in memory stand as their mean, and kernels below 150 us, whose time the host decides, are left out.
public struct AttentionCells: Sendable {
  enum Device {
    case hopper, b200

    fileprivate var table: ComponentTable {
      switch self {
      case .hopper: ComponentTable(PackageResources.attention_hopper_csv)
      case .b200: ComponentTable(PackageResources.attention_b200_csv)
      }
    }
  }

  public var fitted: [AttentionCell] = []
  public var predicted: [AttentionCell] = []

  init(shipped device: Device, library: String, width: Int) {
    var last: [String] = []
    var isFitted = false
    for row in device.table.rows
    where row.text("library") == library && row.integer("query_width") == width {
      guard let pass = AttentionCell.Pass(rawValue: row.text("pass")) else { continue }
      let series = [row.text("pass"), row.text("causal")]
      isFitted = series == last ? !isFitted : true
      last = series
      let cell = AttentionCell(
        pass: pass,
        shape: AttentionShape(
          heads: row.integer("heads"), queriesPerKey: row.integer("queries_per_key"),
          queries: row.integer("length"), queryDimension: width,
          valueDimension: row.integer("value_width"), causal: row.text("causal") == "yes"),
        measuredSeconds: row.number("us") * 1e-6)
      if isFitted { fitted.append(cell) } else { predicted.append(cell) }
    }
  }
}
