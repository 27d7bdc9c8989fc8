import Clusters
import Costs
import Plans

/// How fast a device multiplies numbers of a format, in units of the 16-bit products whose kernels are
/// described.
///
/// Formats without kernels of their own take the 16-bit kernels' efficiency at every shape. One with a
/// higher peak than 16 bits is faster in the proportion of the peaks; one with a lower peak is as fast as
/// the described kernels up to its own peak, which bounds both. So a peak of 16 bits beyond what the
/// kernels reach makes no other format slower.
struct FormatRates {
  private let device: Device

  init(_ device: Device) { self.device = device }

  /// The rate of a format of 16 or 32 bits; nil where the device has no such arithmetic.
  ///
  /// - Parameter flopsPerClock: what the described 16-bit kernels do per clock and multiprocessor.
  func rate(of format: NumberFormat, flopsPerClock: Double) -> Double? {
    guard let wide = device.peak(.bf16) ?? device.peak(.fp16),
      let precision = Self.precision(of: format), let peak = device.peak(precision)
    else { return nil }
    let cycles = device.clock.map { Double(device.multiprocessors.value) * $0.boost.value.value }
    let sustained = min(cycles.map { flopsPerClock * $0 } ?? wide.value, wide.value)
    return min(peak.value / sustained, max(1, peak.value / wide.value))
  }

  /// The rate of products with a scale for 32 numbers, in units of those whose kernels they borrow.
  var rateOfMicroscaling: Double {
    guard let micro = device.peak(.mxfp8), let blocks = device.peak(.fp8) else { return 1 }
    return micro.value / blocks.value
  }

  /// The peak of the fastest format in which a recipe multiplies, FLOPs per second; nil where the device
  /// states none.
  func fastestPeak(of precision: PrecisionRecipe) -> Double? {
    precision.operands.compactMap { Self.precision(of: $0.format, precision) }
      .compactMap { device.peak($0)?.value }.max()
  }

  /// The key of the peak of a recipe's format.
  static func precision(of format: NumberFormat, _ recipe: PrecisionRecipe) -> Precision? {
    format == .e4m3 && recipe.scaling == .microscaling ? .mxfp8 : precision(of: format)
  }

  /// The key of a format's peak in cluster files.
  static func precision(of format: NumberFormat) -> Precision? {
    switch format {
    case .float32: .fp32
    case .tensorFloat32: .tf32
    case .float16: .fp16
    case .bfloat16: .bf16
    case .e4m3: .fp8
    case .e5m6: nil
    }
  }

  /// Whether a format's kernels are those of another one.
  static func borrows(_ format: NumberFormat) -> Bool {
    switch format {
    case .float32, .tensorFloat32, .float16: true
    case .bfloat16, .e4m3, .e5m6: false
    }
  }
}

extension DeviceModel {
  /// The library of FP8 products of a recipe: the chosen one, else the newest whose scales are the recipe's.
  ///
  /// Nobody measured products with a scale for 32 numbers: they are those of larger blocks, or where a device
  /// has none of these, of tensors. On B200s products with blocks of 128 and scales that are powers of two take
  /// 0.98 to 1.06 times what those with one scale a tensor take up to 3 ms, 1.2 times beyond (medians over
  /// 2,528 shapes of aiconfigurator 095f58a, casts taken off).
  func libraryOfFP8(_ scaling: Float8Scaling, chosen: MatmulLibrary?) -> MatmulLibrary? {
    let own = library(for: .fp8, scalesTensors: scaling.isOfTensors, chosen: chosen)
    return own
      ?? (scaling == .microscaling
        ? library(for: .fp8, scalesTensors: true, chosen: chosen) : nil)
  }
}

extension PrecisionRecipe {
  /// The formats in which something is multiplied, by their keys.
  var operands: [(key: String, format: NumberFormat)] {
    [
      ("linear-operands", linearOperands), ("attention-operands", attentionOperands),
      ("head-operands", headOperands),
    ]
  }

  /// Refuses operands that a device cannot multiply or whose kernels its file does not describe.
  func check(
    on device: Device, _ model: DeviceModel, _ library: MatmulLibrary?
  ) throws(PlanError) {
    for (key, format) in operands {
      func failure(_ rule: String) -> PlanError {
        .cannotSimulate(key: "precision", value: "\(name), \(key) \(format.rawValue),", rule: rule)
      }
      let precision = FormatRates.precision(of: format, self)
      guard let precision, device.peak(precision) != nil else {
        let isMicro = precision == .mxfp8
        throw failure(
          "needs \(isMicro ? "MXFP8" : format.rawValue) products, of which the cluster's file states no peak "
            + "for \(device.name) (device.peak.\(precision?.rawValue ?? format.rawValue))")
      }
      let ofTensors = scaling.isOfTensors
      if format == .e4m3,
        model.libraryOfFP8(scaling, chosen: library) == nil
      {
        throw failure(
          "has no constants of FP8 kernels with one scale a \(ofTensors ? "tensor" : "block") on "
            + "\(device.name) (kernels.matmul)")
      }
      if format != .e4m3, model.library(for: .bf16, chosen: library) == nil {
        throw failure("has no constants of 16-bit kernels on \(device.name) (kernels.matmul)")
      }
    }
  }

  /// What is taken from other kernels than those of the recipe, a short phrase each.
  var borrowings: [String] {
    var list: [String] = []
    let borrowed = operands.map(\.format).filter(FormatRates.borrows)
    for format in NumberFormat.allCases where borrowed.contains(format) {
      let peak = FormatRates.precision(of: format)?.rawValue ?? format.rawValue
      list.append("\(format.rawValue) products as efficient as BF16's, at peak.\(peak)")
    }
    let multipliesFP8 = operands.contains { $0.format == .e4m3 }
    if scaling == .microscaling, multipliesFP8 {
      list.append(
        "MXFP8 products as fast as FP8 with larger blocks, or one scale a tensor; casts as on Hopper"
      )
    }
    if scaling.isOfTensors, multipliesFP8 {
      list.append("casts in both directions as fast as DeepSeek's in one")
    }
    let isMeasured =
      scaling != .blocks || scaleBlock == PrecisionRecipe.measuredScaleBlock
    if !isMeasured, multipliesFP8 {
      list.append(
        "FP8 products with scales per \(scaleBlock) numbers as fast as per "
          + "\(PrecisionRecipe.measuredScaleBlock)")
    }
    return list
  }
}
