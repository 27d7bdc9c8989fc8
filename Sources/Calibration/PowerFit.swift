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
      PowerLoad(
        name: row.text("load"), format: row.text("format"), flops: row.number("flops"),
        bytes: row.number("bytes"), burst: row.number("burst_us") * 1e-6,
        seconds: row.number("us") * 1e-6, watts: row.number("watts"))
    }
    let fitted = Self.energies(loads, idle: idle, cap: cap, exponent: energy.exponent.value)
    return [
      Constant(key: "idle", shipped: energy.idle.value.value, fitted: idle),
      Constant(
        key: "fp8", shipped: energy.fp8?.value.value ?? 0, fitted: fitted.fp8),
      Constant(
        key: "bf16", shipped: energy.bf16.value.value, fitted: fitted.bf16),
      Constant(
        key: "attention", shipped: energy.attention?.value.value ?? 0, fitted: fitted.attention),
      Constant(key: "byte", shipped: energy.byte.value.value, fitted: fitted.byte),
    ]
  }

  /// Joules of an operation of each kind and of a byte, by loads of seconds; not a number for what has no load.
  static func energies(
    _ loads: [PowerLoad], idle: Double, cap: Double, exponent: Double
  ) -> (fp8: Double, bf16: Double, attention: Double, byte: Double) {
    let byte = mean(
      loads.filter { $0.name == "copy" }.map { ($0.watts - idle) * $0.seconds / $0.bytes })
    func operation(_ isOne: (PowerLoad) -> Bool) -> Double {
      mean(
        loads.filter(isOne).map { load in
          let clock = load.burst / load.seconds
          let joules = (cap - idle) * load.seconds - byte * load.bytes
          return joules / (load.flops * Double.pow(clock, exponent))
        })
    }
    func isProduct(_ load: PowerLoad) -> Bool {
      ["product", "weight-gradient"].contains(load.name)
    }
    return (
      operation { isProduct($0) && $0.format == "fp8" },
      operation { isProduct($0) && $0.format.hasPrefix("bf16") },
      operation { $0.name.hasPrefix("attention") }, byte
    )
  }

  private static func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
  }
}

/// A load that was measured for seconds: what its calls take in the burst and later, and the watts.
struct PowerLoad {
  var name: String
  var format: String
  var flops, bytes, burst, seconds, watts: Double
}
