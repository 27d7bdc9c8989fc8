import Clusters
import RealModule

/// What a device draws while it works, and the clock that a cap leaves.
///
/// Power is what an idle device draws, energy for each operation, which grows with a power of the clock, and
/// energy for each byte of memory, over the time of the work. Firmware averages over tens of milliseconds,
/// which is many kernels: so the mix of a step decides its clock, and not each kernel for itself.
/// Not modelled: temperature, the values of operands, links and switches, devices that differ.
public struct PowerModel: Hashable, Sendable {
  /// What some work takes.
  public struct Work: Hashable, Sendable {
    /// Joules of its operations at the boost clock.
    public var computing: Double
    /// Joules of its bytes.
    public var memory: Double

    public init(computing: Double = 0, memory: Double = 0) {
      self.computing = computing
      self.memory = memory
    }

    public static func += (left: inout Work, right: Work) {
      left.computing += right.computing
      left.memory += right.memory
    }

    public static func * (left: Work, right: Double) -> Work {
      Work(computing: left.computing * right, memory: left.memory * right)
    }
  }

  /// Watts of an idle device.
  public var idle: Double
  /// Joules of an operation at the boost clock.
  public var fp8: Double
  public var bf16: Double
  public var attention: Double
  /// Joules of a byte.
  public var byte: Double
  public var exponent: Double
  /// Hertz.
  public var boost: Double
  /// Watts; nil where a clock is given.
  public var cap: Double?

  /// The power of a device; nil where its file does not say what its work costs.
  public init?(_ device: Device) {
    guard let energy = device.energy, let clock = device.clock else { return nil }
    idle = energy.idle.value.value
    bf16 = energy.bf16.value.value
    fp8 = energy.fp8?.value.value ?? bf16 / 2
    attention = energy.attention?.value.value ?? bf16
    byte = energy.byte.value.value
    exponent = energy.exponent.value
    boost = clock.boost.value.value
    cap = device.powerCap?.value.value
  }

  /// Joules of some operations and bytes.
  ///
  /// - Parameter rate: the format's speed in units of the described one's: half of it takes twice as much.
  public func work(
    flops: Double, _ precision: MatmulPrecision, rate: Double = 1, bytes: Double
  ) -> Work {
    Work(
      computing: flops * (precision == .fp8 ? fp8 : bf16) / rate, memory: bytes * byte)
  }

  /// Joules of some operations of fused attention, in 16 bits.
  public func attentionWork(flops: Double, rate: Double = 1) -> Work {
    Work(computing: flops * attention / rate)
  }

  /// Watts while some work runs for some seconds at a clock.
  public func watts(_ work: Work, seconds: Double, clock: Double) -> Double {
    guard seconds > 0 else { return idle }
    let computing = work.computing * Double.pow(clock / boost, exponent)
    return idle + (computing + work.memory) / seconds
  }

  /// The clock at which work that goes on draws no more than the cap: boost, if that is little.
  ///
  /// No lower clock than a twentieth of boost is looked for.
  ///
  /// - Parameter seconds: how long the work takes at a clock, longer at a lower one.
  public func clock(_ work: Work, seconds: (Double) -> Double) -> Double {
    guard let cap, watts(work, seconds: seconds(boost), clock: boost) > cap else { return boost }
    var (low, high) = (boost / 20, boost)
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if watts(work, seconds: seconds(middle), clock: middle) > cap {
        high = middle
      } else {
        low = middle
      }
    }
    return low
  }
}

extension DeviceModel {
  /// The clock that a cap leaves to large products that go on for ever, the heaviest work there is.
  ///
  /// What steps run at follows from their own mix.
  func clockOfProducts(_ power: PowerModel) -> Double {
    guard
      let library = library(for: .bf16)
        ?? MatmulLibrary.allCases.last(where: { matmuls[$0] != nil }),
      let cost = MatmulCost(self, library: library)
    else { return power.boost }
    let shape = MatmulShape(m: 16_384, n: 16_384, k: 16_384)
    let seconds = cost.cost(shape, clock: .boost).seconds
    let bytes = library.precision.bytes * 2 * 16_384 * 16_384 + 2 * 16_384 * 16_384
    let work = power.work(flops: shape.flops, library.precision, bytes: bytes)
    return power.clock(work) { seconds * power.boost / $0 }
  }
}
