import ArgumentParser

/// Whose kernels a device takes whose own nobody measured.
struct BorrowingOptions: ParsableArguments {
  @Option(
    name: .customLong("borrow-kernels"),
    help: ArgumentHelp(
      """
      Take the kernels of another cluster's device, as efficient as there at this one's own peaks and memory; \
      said beside every figure.
      """, valueName: "cluster"))
  var kernels: String?

  /// The same as values of the cluster's file.
  var overrides: [String] {
    kernels.map { ["device.kernels=\($0)", "device.kernels-scaled=true"] } ?? []
  }
}
