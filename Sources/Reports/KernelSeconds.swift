import Simulation

/// Seconds of a rank's compute stream, by class of kernel and by pass.
///
/// In JSON an object per class that occurs (`grouped_matmul`), in it a number per pass (`forward`,
/// `recomputed_forward`, `backward_input`, `backward_weight`, `optimizer`).
public struct KernelSeconds: Encodable, Sendable {
  /// The seconds of one class.
  public struct Row: Sendable {
    public var kernels: KernelTimes.Class
    /// By pass, in the order of `KernelTimes.Pass`.
    public var seconds: [Double]

    public var total: Double { seconds.reduce(0, +) }
    /// `grouped matmul`.
    public var name: String { words("\(kernels)", joinedBy: " ") }
  }

  /// The classes that occur, in a fixed order.
  public var rows: [Row]

  init(_ times: KernelTimes) {
    rows = KernelTimes.Class.allCases.map { kernels in
      Row(
        kernels: kernels,
        seconds: KernelTimes.Pass.allCases.map { Double(times[kernels, $0]) / 1e12 })
    }.filter { $0.total > 0 }
  }

  public func encode(to encoder: any Encoder) throws {
    var classes = encoder.container(keyedBy: Name.self)
    for row in rows {
      var passes = classes.nestedContainer(keyedBy: Name.self, forKey: Name("\(row.kernels)"))
      for (pass, seconds) in zip(KernelTimes.Pass.allCases, row.seconds) {
        try passes.encode(seconds, forKey: Name("\(pass)"))
      }
    }
  }

  private struct Name: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.init(stringValue) }
    init?(intValue: Int) { nil }
  }
}

/// `groupedMatmul` as `grouped matmul`.
func words(_ name: String, joinedBy separator: String) -> String {
  name.reduce(into: "") { text, letter in
    text += letter.isUppercase ? separator + letter.lowercased() : String(letter)
  }
}
