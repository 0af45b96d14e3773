// Writes both inputs of tiny.sv, starts a run, and compares the outputs. Addresses are those of the formula.
`timescale 1ns/1ps
module tiny_tb;
  localparam int LATENCY_CYCLES = 29;  // latency_cycles of tiny.json

  logic clk = 0, reset = 1, go = 0;
  logic x_we = 0, y_we = 0, out_re = 0;
  logic [3:0] x_addr;
  logic [2:0] y_addr, out_addr;
  logic [31:0] x_data, y_data;
  wire [31:0] out_data;
  wire done;

  tiny dut (.*);
  always #5 clk = ~clk;

  // Of a matrix with `columns` columns and `rows` rows in row_factor x column_factor banks.
  function automatic int address(
      int row, int column, int rows, int columns, int row_factor, int column_factor, int offset_bits);
    int bank, offset;
    bank = (row % row_factor) * column_factor + column % column_factor;
    offset = (row / row_factor) * ((columns + column_factor - 1) / column_factor) + column / column_factor;
    return (bank << offset_bits) | offset;
  endfunction

  logic [0:11][31:0] x = {  // 4 x 3, row by row, the bits of binary32
    32'h3f800000, 32'hc0000000, 32'h3f000000,   //  1.0  -2.0   0.5
    32'h00000000, 32'h40000000, 32'hc0400000,   //  0.0   2.0  -3.0
    32'h40800000, 32'h3fc00000, 32'hbf800000,   //  4.0   1.5  -1.0
    32'hbf800000, 32'h3e800000, 32'h41000000};  // -1.0   0.25  8.0
  logic [0:5][31:0] y = {  // 3 x 2
    32'h3f800000, 32'h40000000,   //  1.0   2.0
    32'h40400000, 32'hc0800000,   //  3.0  -4.0
    32'hc0a00000, 32'h40c00000};  // -5.0   6.0
  logic [0:7][31:0] expected = {  // relu(x @ y), 4 x 2
    32'h00000000, 32'h41500000,   //  0.0  13.0
    32'h41a80000, 32'h00000000,   // 21.0   0.0
    32'h41580000, 32'h00000000,   // 13.5   0.0
    32'h00000000, 32'h42340000};  //  0.0  45.0

  int cycle, errors = 0;

  // Inputs change on falling edges, so that they are stable at the rising edge at which the design samples them.
  initial begin
    repeat (2) @(negedge clk);
    reset = 0;

    $display("x[3, 1] is at address %0d", address(3, 1, 4, 3, 2, 1, 3));
    for (int i = 0; i < 12; i++) begin
      x_we = 1;
      x_addr = 4'(address(i / 3, i % 3, 4, 3, 2, 1, 3));
      x_data = x[i];
      @(negedge clk);
    end
    x_we = 0;
    for (int i = 0; i < 6; i++) begin
      y_we = 1;
      y_addr = 3'(address(i / 2, i % 2, 3, 2, 1, 2, 2));
      y_data = y[i];
      @(negedge clk);
    end
    y_we = 0;

    go = 1;
    cycle = 0;  // the first cycle in which go is high
    @(negedge clk);
    go = 0;
    cycle = 1;
    while (!done) begin
      @(negedge clk);
      cycle++;
    end
    $display("done in cycle %0d", cycle);
    if (cycle != LATENCY_CYCLES) errors++;
    @(negedge clk);

    for (int i = 0; i < 8; i++) begin
      out_re = 1;
      out_addr = 3'(address(i / 2, i % 2, 4, 2, 2, 2, 1));
      @(negedge clk);  // the rising edge in between reads the memory
      if (out_data !== expected[i]) begin
        $display("out[%0d, %0d] is %h, not %h", i / 2, i % 2, out_data, expected[i]);
        errors++;
      end
    end
    if (errors == 0) $display("PASS");
    else $display("FAIL: %0d errors", errors);
    $finish;
  end
endmodule
