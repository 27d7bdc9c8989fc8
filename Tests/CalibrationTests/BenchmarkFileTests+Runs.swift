import Calibration
import Clusters
import Documents
import Testing

/// Files of several runs, and what a run's own head says of it.
extension BenchmarkFileTests {
  /// A search of mamf-finder over two shapes.
  private static func search(_ format: String, _ rates: [Double]) -> String {
    "** Dtype: \(format)\n"
      + zip(rates, [2048, 4096]).map { rate, side in
        " 1 |  \(rate)(mean)  \(rate)(median)  \(rate)(max) @ \(side)x4096x4096 | best: 1.0(mean)\n"
      }.joined()
      + "mean:   \(rates[1]) TFLOPS @ 4096x4096x4096 (MxNxK)\n"
  }

  /// The format above a row is the row's, and each run's rates count.
  @Test func runsOfMAMFFinder() throws {
    let half = Self.search("torch.bfloat16", [600, 650])
    let quarter = Self.search("torch.float8_e4m3fn", [1100, 1200])
    for (text, libraries) in [
      (half + quarter, [MatmulLibrary.bf16, .bf16, .fp8PerTensor, .fp8PerTensor]),
      (quarter + half, [.fp8PerTensor, .fp8PerTensor, .bf16, .bf16]),
    ] {
      let products = try Self.read(text) { $0.library = .fp8PerTensor }.measurements.products
      #expect(products.map(\.library) == libraries)
    }
    let again = try Self.read(half + Self.search("torch.bfloat16", [300, 325])).measurements
      .products
    #expect(again.count == 4 && abs(again[2].seconds / again[0].seconds - 2) < 1e-9)
    // Above the first row no format was said.
    let late = half.split(separator: "\n").dropFirst().joined(separator: "\n") + "\n" + quarter
    #expect(Self.rule(late).contains("does not say the format above this line"))
  }

  /// Reads and atomics are answered: their whole trip is printed, of writes and sends half.
  @Test(arguments: [("RDMA_Write", 1), ("Send", 1), ("RDMA_Read", 2), ("Atomic FETCH_AND_ADD", 2)])
  func startsOfALatency(verb: String, starts: Int) throws {
    let text = """
                          \(verb) Latency Test
       #bytes        #iterations       t_avg[usec]    tps average
       8             1000              2.00           263157.89

      """
    let found = try Self.read(text).measurements
    #expect(found.messages.map(\.starts) == [starts] && found.messages[0].value == 2e-6)
    #expect(found.remarks.contains { $0.contains("holds two starts") } == (starts == 2))
  }
}
