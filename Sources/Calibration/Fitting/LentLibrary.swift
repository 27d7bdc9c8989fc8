import Clusters
import Costs
import Documents

/// The constants of a library of products that a device's file lacks, as those of a shipped device are at its peak.
///
/// The fit of the device's own products begins with them; those that rows do not decide stand in its file as
/// assumptions.
struct LentLibrary {
  let constants: MatmulConstants
  /// What the file has of each, unless rows decide it.
  let entries: [FittedConstant]

  /// The shipped clusters that are asked, first one first: the newest NVIDIA chips have most libraries.
  private static let lenders = ["h100-2048", "h800-2048", "b200-256"]

  /// Nil where the device has no peak of the library's format, or nobody has the library.
  init?(_ library: MatmulLibrary, to device: Device) throws(ConfigurationError) {
    guard let peak = device.peak(of: library.precision), let clock = device.clock else {
      return nil
    }
    for name in Self.lenders {
      let lender = try Cluster.shipped(name).device
      guard var constants = try DeviceModel(lender).matmuls[library] else { continue }
      let own = peak.value / (Double(device.multiprocessors.value) * clock.boost.value.value)
      // A step is as long a part of its products as on the other device.
      let rate = own / constants.flopsPerClock
      constants.flopsPerClock = own
      constants.stepOverhead /= rate
      constants.stepFloor /= rate
      self.constants = constants
      let section = "matmul.\(library.rawValue)."
      entries = lender.kernels.entries.filter { $0.path.hasPrefix(section) }.map {
        FittedConstant(
          path: "device.kernels.\($0.path)", text: $0.text,
          source: "not decided by these measurements: as in \(name)", isAssumed: true)
      }
      return
    }
    return nil
  }
}
