import Clusters
import Costs
import Documents
import RealModule

/// A fit of kernels that stream memory: what each class reaches beside the shipped ramp.
///
/// The ramp is not fitted: kernels of 16 MiB and more, some of whose bytes the cache has, leave nothing for it.
public struct StreamFit: Sendable {
  /// What the measurements are called.
  public var measurements: String
  public var cluster: String
  let device: StreamCells.Device

  /// Every fit, by the name of its measurements.
  public static let all = [
    StreamFit(measurements: "h100-streaming", cluster: "h100-2048", device: .h100)
  ]

  /// A constant below `device.kernels`, as it ships and as the kernels give it, in SI units.
  public struct Constant: Hashable, Sendable {
    public var key: String
    public var shipped: Double
    public var fitted: Double
  }

  /// Its constants and the measured kernels.
  public struct Outcome: Sendable {
    public var constants: [Constant]
    public var cells: StreamCells
    let device: DeviceModel

    /// Seconds of a measured kernel by the shipped constants.
    public func predictedSeconds(_ cell: StreamCell) -> Double {
      StreamingCost(device).cost(cell.kernel, bytes: cell.bytes).seconds
    }
  }

  /// Fits again, in a few milliseconds.
  public func run() throws(ConfigurationError) -> Outcome {
    let device = try DeviceModel(Cluster.shipped(cluster).device)
    let cells = StreamCells(self.device)
    let classes = StreamingClass.allCases.filter { kernel in
      cells.fitted.contains { $0.kernel == kernel }
    }
    let rates = classes.map { StreamingCost(device).rate($0) }
    let fitted = LeastSquares().fit(from: rates) { rates in
      cells.fitted.map { cell in
        let place = classes.firstIndex(of: cell.kernel) ?? 0
        let seconds = device.streaming.ramp + cell.bytes / rates[place]
        return Double.log(seconds / cell.measuredSeconds)
      }
    }
    let constants = classes.enumerated().map { place, kernel in
      Constant(
        key: (kernel.substitute == nil ? "streaming." : "operators.") + kernel.rawValue,
        shipped: rates[place], fitted: fitted[place])
    }
    return Outcome(constants: constants, cells: cells, device: device)
  }
}
