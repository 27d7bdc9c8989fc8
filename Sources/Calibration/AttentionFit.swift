import Clusters
import Costs
import Documents
import RealModule

/// A fit of attention kernels: what each library's main loop reaches and what its blocks take beside it, by
/// the width of heads.
///
/// Kernels of milliseconds feel the power limit: each runs at boost for as long as products do, and then at
/// the clock that its own power leaves.
public struct AttentionFit: Sendable {
  /// What the measurements are called.
  public var measurements: String
  public var cluster: String
  /// Those that have measurements.
  public var parts: [Part]
  /// For how long a kernel runs at boost, seconds: as long as the products of NVIDIA's tables on the same device.
  let burst: Double
  let device: AttentionCells.Device

  /// Every fit, by the name of its measurements.
  public static let all: [AttentionFit] = [
    AttentionFit(
      measurements: "h100-attention", cluster: "h100-2048", parts: hopper,
      burst: 2.34e-3, device: .hopper),
    AttentionFit(
      measurements: "b200-attention", cluster: "b200-256",
      parts: [
        Part(library: .cuDNN, width: 128, hasBackward: true),
        Part(library: .cuDNN, width: 192, hasBackward: true, hasRamp: false),
      ],
      burst: 5.83e-3, device: .b200),
  ]

  /// One library's kernels for one width.
  public struct Part: Hashable, Sendable {
    public var library: AttentionLibrary
    public var width: Int
    /// Whether a backward was measured.
    public var hasBackward: Bool
    /// Whether its kernels show a ramp: without one only shares are fitted.
    public var hasRamp = true

    /// What of it is fitted.
    public var parameters: [Parameter] {
      AttentionFit.parameters.filter {
        (hasBackward || !$0.name.hasPrefix("backward")) && (hasRamp || $0.name.hasSuffix("share"))
      }
    }
  }

  private static let hopper: [Part] = [
    Part(library: .flash2, width: 64, hasBackward: true),
    Part(library: .flash2, width: 128, hasBackward: true),
    Part(library: .flash2, width: 256, hasBackward: true),
    Part(library: .flash3, width: 64, hasBackward: true),
    Part(library: .flash3, width: 128, hasBackward: true),
    Part(library: .flash3, width: 256, hasBackward: false),
    Part(library: .cuDNN, width: 64, hasBackward: true),
    Part(library: .cuDNN, width: 128, hasBackward: true),
    Part(library: .cuDNN, width: 192, hasBackward: true),
    Part(library: .cuDNN, width: 256, hasBackward: true),
  ]

  /// A constant that is fitted: its key and its place.
  public typealias Parameter = (
    name: String, path: WritableKeyPath<AttentionWidth, Double> & Sendable
  )

  static let parameters: [Parameter] =
    [
      ("forward-share", \.forwardShare), ("forward-ramp", \.forwardRamp),
      ("backward-share", \.backwardShare), ("backward-ramp", \.backwardRamp),
    ]

  /// A part's constants as they ship and fitted anew from them, and its measured kernels.
  public struct Outcome: Sendable {
    public var part: Part
    public var shipped: AttentionWidth
    public var fitted: AttentionWidth
    public var cells: AttentionCells
    let fit: AttentionFit
    let device: DeviceModel
    let power: PowerModel

    /// Seconds of a measured kernel by the shipped constants, at the benchmark's clock.
    public func predictedSeconds(_ cell: AttentionCell) -> Double {
      fit.prediction(cell, part.library, on: device, power)
    }
  }

  /// Fits every part again, in about a second.
  public func run() throws(ConfigurationError) -> [Outcome] {
    let cluster = try Cluster.shipped(cluster)
    let device = try DeviceModel(cluster.device)
    guard let power = PowerModel(cluster.device) else {
      preconditionFailure("The cluster says what its devices draw.")
    }
    return parts.map { outcome($0, device, power) }
  }

  private func outcome(
    _ part: Part, _ device: DeviceModel, _ power: PowerModel
  ) -> Outcome {
    let widths = device.attention.libraries[part.library] ?? []
    guard let place = widths.firstIndex(where: { $0.width == part.width }) else {
      preconditionFailure("The cluster describes \(part.library.rawValue), \(part.width) wide.")
    }
    let cells = AttentionCells(
      shipped: self.device, library: part.library.rawValue, width: part.width)
    let fittedParameters = part.parameters
    func with(_ values: [Double]) -> AttentionWidth {
      var kernels = widths[place]
      for (parameter, value) in zip(fittedParameters, values) {
        kernels[keyPath: parameter.path] = value
      }
      return kernels
    }
    let start = fittedParameters.map { widths[place][keyPath: $0.path] }
    let values = LeastSquares().fit(from: start) { values in
      var device = device
      device.attention.libraries[part.library]?[place] = with(values)
      return cells.fitted.map {
        Double.log(prediction($0, part.library, on: device, power) / $0.measuredSeconds)
      }
    }
    return Outcome(
      part: part, shipped: widths[place], fitted: with(values), cells: cells, fit: self,
      device: device, power: power)
  }

  fileprivate func prediction(
    _ cell: AttentionCell, _ library: AttentionLibrary, on device: DeviceModel, _ power: PowerModel
  ) -> Double {
    Self.seconds(cell, library, on: device, power, burst: burst)
  }

  /// Seconds of a kernel that runs at boost for as long as a burst, and then at the clock that its power leaves.
  ///
  /// - Parameter power: nil where nobody knows what the device draws: it then stays at boost.
  static func seconds(
    _ cell: AttentionCell, _ library: AttentionLibrary, on device: DeviceModel,
    _ power: PowerModel?, burst: Double
  ) -> Double {
    var cost = AttentionCost(device, library: library)
    // What is fitted is what was measured of one width.
    cost.keepsOrder = false
    func seconds(_ boost: Double, _ flops: Double) -> Double {
      guard let power, power.cap != nil else { return boost }
      let work = power.attentionWork(flops: flops)
      let clock = power.clock(work) { boost * power.boost / $0 }
      return BenchmarkClock(burst: burst, sustained: clock / power.boost)
        .seconds(atBoost: boost)
    }
    let forward = seconds(cost.forward(cell.shape, clock: .boost).seconds, cell.shape.flops)
    let backward = seconds(
      cost.backward(cell.shape, clock: .boost).seconds, 2.5 * cell.shape.flops)
    return switch cell.pass {
    case .forward: forward
    case .backward: backward
    case .both: forward + backward
    }
  }
}
