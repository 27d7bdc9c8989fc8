import Quantities
import Testing

@Suite struct PrintingTests {
  @Test func threeSignificantFigures() {
    #expect(BytesPerSecond(200e9).description == "200 GB/s")
    #expect(BytesPerSecond(3.35e12).description == "3.35 TB/s")
    #expect(BytesPerSecond(999.6e9).description == "1.00 TB/s")
    #expect(ByteCount(80 << 30).description == "80 GiB")
    #expect(ByteCount(1_000_000).description == "977 KiB")
    #expect(ByteCount(1000).description == "1000 B")
    #expect(ByteCount(-2048).description == "-2 KiB")
    #expect(Seconds(3.7e-6).description == "3.70 us")
    #expect(Seconds(0).description == "0 s")
    #expect(Seconds(48.26).description == "48.3 s")
    #expect(Seconds(3600 * 26.4).description == "26.4 h")
    #expect(FLOPsPerSecond(989.4e12).description == "989 TFLOPS")
    #expect(FLOPCount(3.0e24).description == "3 YFLOP")
    #expect(Frequency(1.83e9).description == "1.83 GHz")
  }

  @Test(arguments: [
    (0, "0"), (1, "1.00"), (9.994, "9.99"), (9.996, "10.0"), (99.96, "100"), (123.4, "123"),
    (999.6, "1000"), (1234, "1234"), (12345, "1.23e4"), (0.5, "0.500"), (0.0123, "0.0123"),
    (0.00012, "1.20e-4"), (-1.5, "-1.50"), (9999.7, "1.00e4"), (.infinity, "inf"),
  ])
  func figures(value: Double, text: String) {
    #expect(threeFigures(value) == text)
  }

  @Test func fixedDecimals() {
    #expect(fixed(1.005, decimals: 1) == "1.0")
    #expect(fixed(-0.04, decimals: 1) == "0.0")
    #expect(fixed(-12.25, decimals: 1) == "-12.2")
    #expect(fixed(3, decimals: 0) == "3")
    #expect(fixed(0.007, decimals: 2) == "0.01")
  }
}
