# Stands in for Vivado: knows the arguments of each command that our scripts use, the pins of each IP, and writes down
# what was asked for. An unknown command, option, cell or pin, or a pin that is wired twice, is an error.
#
#   tclsh vivado_stand_in.tcl SCRIPT COMPONENT_PINS INTERFACES      (lists of the design's own pins)
#
# Command -> options with a value, options without, fewest and most other arguments.
set known {
  create_project {{-part} {-force -in_memory} 0 2} current_project {{} {} 0 0} close_project {{} {} 0 0}
  set_property {{-dict} {} 1 3} get_property {{} {} 2 2} update_ip_catalog {{} {-rebuild} 0 0}
  create_bd_design {{} {} 1 1} create_bd_cell {{-type -vlnv} {} 1 1} apply_bd_automation {{-rule -config} {} 1 1}
  get_bd_cells {{} {} 1 1} get_bd_pins {{} {} 1 1} get_bd_intf_pins {{} {} 1 1} connect_bd_net {{-net} {} 2 99}
  connect_bd_intf_net {{-intf_net} {} 2 2} assign_bd_address {{} {} 0 1} validate_bd_design {{} {-force} 0 0}
  save_bd_design {{} {} 0 0} make_wrapper {{-files} {-top -import} 0 0} get_files {{} {} 1 1} get_runs {{} {} 1 1}
  current_fileset {{} {} 0 0} update_compile_order {{-fileset} {} 0 0} launch_runs {{-to_step -jobs} {} 1 1}
  wait_on_run {{} {} 1 1} report_timing_summary {{-file -delay_type -max_paths} {} 0 0}
  package_xo {{-xo_path -kernel_name -ip_directory -kernel_xml -ctrl_protocol} {-force} 0 0}
  read_verilog {{} {-sv} 1 1} read_xdc {{} {} 1 1} synth_design {{-top -part -mode -flatten_hierarchy} {} 0 0}
  opt_design {{} {} 0 0} place_design {{} {} 0 0} phys_opt_design {{} {} 0 0} route_design {{} {} 0 0}
  report_utilization {{-file} {-hierarchical} 0 0} write_checkpoint {{} {-force} 1 1} get_clocks {{} {} 1 1}
}
set pins {
  processing_system7 {FCLK_CLK0 FCLK_RESET0_N M_AXI_GP0_ACLK S_AXI_HP0_ACLK IRQ_F2P}
  zynq_ultra_ps_e {pl_clk0 pl_resetn0 maxihpm0_fpd_aclk saxihp0_fpd_aclk pl_ps_irq0}
  proc_sys_reset {slowest_sync_clk ext_reset_in peripheral_aresetn interconnect_aresetn}
  smartconnect {aclk aresetn} xlconcat {In[0-9]* dout}
  axi_dma {s_axi_lite_aclk m_axi_mm2s_aclk m_axi_s2mm_aclk axi_resetn mm2s_introut s2mm_introut}
}
set interfaces {
  processing_system7 {M_AXI_GP0 S_AXI_HP0} zynq_ultra_ps_e {M_AXI_HPM0_FPD S_AXI_HP0_FPD} proc_sys_reset {} xlconcat {}
  smartconnect {S[0-9][0-9]_AXI M[0-9][0-9]_AXI} axi_dma {S_AXI_LITE M_AXI_MM2S M_AXI_S2MM M_AXIS_MM2S S_AXIS_S2MM}
}
lassign $argv script own_pins own_interfaces
set cells [dict create]
set driven [dict create]

rename file real_file
proc file {name args} {
  if {$name eq "copy"} { puts "file copy $args"; return }
  if {$name eq "mkdir"} { return }
  uplevel 1 [list real_file $name {*}$args]
}
proc unknown {name args} { error "no command $name" }

proc parsed {name arguments} {
  lassign [dict get $::known $name] valued flags fewest most
  set given [dict create]
  set others {}
  for {set k 0} {$k < [llength $arguments]} {incr k} {
    set word [lindex $arguments $k]
    if {$word in $valued} {
      incr k
      if {$k >= [llength $arguments]} { error "$name: $word needs a value" }
      dict set given $word [lindex $arguments $k]
    } elseif {$word in $flags} {
      dict set given $word 1
    } elseif {[string match {-[a-z]*} $word]} {
      error "$name: no option $word"
    } else {
      lappend others $word
    }
  }
  if {[llength $others] < $fewest || [llength $others] > $most} { error "$name: wrong number of arguments: $arguments" }
  return [list $given $others]
}

proc pin_of {place table own} {
  lassign [split $place /] cell pin
  if {![dict exists $::cells $cell]} { error "no cell $cell" }
  set ip [dict get $::cells $cell]
  foreach pattern [expr {[dict exists $table $ip] ? [dict get $table $ip] : $own}] {
    if {[string match $pattern $pin]} { return $place }
  }
  error "$ip has no $pin"
}

proc once {place} {
  if {[dict exists $::driven $place]} { error "$place is connected twice" }
  dict set ::driven $place 1
}

foreach name [dict keys $known] {
  proc $name {args} [format {
    lassign [parsed %1$s $args] given others
    puts [list %1$s {*}$args]
    switch %1$s {
      create_bd_cell {
        set ip [lindex [split [dict get $given -vlnv] :] 2]
        set cell [lindex $others 0]
        if {[dict exists $::cells $cell]} { error "two cells $cell" }
        dict set ::cells $cell $ip
      }
      get_bd_cells {
        if {![dict exists $::cells [lindex $others 0]]} { error "no cell $others" }
        return $others
      }
      get_bd_pins { return [pin_of [lindex $others 0] $::pins $::own_pins] }
      get_bd_intf_pins { return [pin_of [lindex $others 0] $::interfaces $::own_interfaces] }
      connect_bd_intf_net { foreach place $others { once $place } }
      connect_bd_net { foreach place [lrange $others 1 end] { once $place } }
      set_property {
        if {[dict exists $given -dict] && [llength [dict get $given -dict]] %% 2} { error "set_property: odd list" }
        if {![dict exists $given -dict] && [llength $others] != 3} { error "set_property: $others" }
      }
      get_property { return [expr {[lindex $others 0] eq "PROGRESS" ? "100%%" : "3.33"}] }
      default { return [expr {[llength $others] ? [lindex $others 0] : "%1$s"}] }
    }
  } $name]
}
source $script
foreach place $own_interfaces {
  if {![dict exists $driven accelerator/$place] && [dict size $cells]} { error "accelerator/$place is not connected" }
}
