import Clusters
import Documents
import RealModule

/// What a device's work costs in energy, from loads that went on for seconds under its power cap.
///
/// A load's first 50 ms run at the clock of a burst, later ones at the clock that the cap leaves; kernels that
/// computation limits are as much slower as that clock is lower. So the share of the burst that is left, not the
/// clock that the driver reads, gives the energy: cap = idle + (energy of the operations at that clock + bytes) / time.
/// Copies run at the whole clock: what they draw beside an idle device is the energy of their bytes.
public struct PowerFit: Sendable {
  /// A constant below `device.energy`, as it ships and as the loads give it, in SI units.
  public struct Constant: Hashable, Sendable {
    public var key: String
    public var shipped: Double
    public var fitted: Double
  }

  /// What the measurements are called.
  public var measurements: String
  public var cluster: String
  let device: String

  /// Every fit, by the name of its measurements.
  public static let all = [
    PowerFit(measurements: "h100-power", cluster: "h100-2048", device: "h100"),
    PowerFit(measurements: "h200-power", cluster: "h200-256", device: "h200"),
  ]

  /// A load that was measured.
  private struct Load {
    var name: String
    var format: String
    var flops, bytes, burst, seconds, watts: Double
  }

  /// Fits again, in a few milliseconds.
  public func run() throws(ConfigurationError) -> [Constant] {
    let described = try Cluster.shipped(cluster).device
    guard let energy = described.energy, let cap = described.powerCap?.value.value else {
      preconditionFailure("\(cluster) says what its devices draw.")
    }
    let rows = ComponentTable(PackageResources.probe_sustained_csv).rows.filter {
      $0.text("device") == device
    }
    let idle = Self.mean(rows.filter { $0.text("load") == "idle" }.map { $0.number("watts") })
    let loads = rows.filter { $0.text("load") != "idle" }.map { row in
      Load(
        name: row.text("load"), format: row.text("format"), flops: row.number("flops"),
        bytes: row.number("bytes"), burst: row.number("burst_us") * 1e-6,
        seconds: row.number("us") * 1e-6, watts: row.number("watts"))
    }
    let byte = Self.mean(
      loads.filter { $0.name == "copy" }.map { ($0.watts - idle) * $0.seconds / $0.bytes })
    func operation(_ isOne: (Load) -> Bool) -> Double {
      Self.mean(
        loads.filter(isOne).map { load in
          let clock = load.burst / load.seconds
          let joules = (cap - idle) * load.seconds - byte * load.bytes
          return joules / (load.flops * Double.pow(clock, energy.exponent.value))
        })
    }
    func isProduct(_ load: Load) -> Bool { ["product", "weight-gradient"].contains(load.name) }
    return [
      Constant(key: "idle", shipped: energy.idle.value.value, fitted: idle),
      Constant(
        key: "fp8", shipped: energy.fp8?.value.value ?? 0,
        fitted: operation { isProduct($0) && $0.format == "fp8" }),
      Constant(
        key: "bf16", shipped: energy.bf16.value.value,
        fitted: operation { isProduct($0) && $0.format.hasPrefix("bf16") }),
      Constant(
        key: "attention", shipped: energy.attention?.value.value ?? 0,
        fitted: operation { $0.name.hasPrefix("attention") }),
      Constant(key: "byte", shipped: energy.byte.value.value, fitted: byte),
    ]
  }

  private static func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
  }
}
