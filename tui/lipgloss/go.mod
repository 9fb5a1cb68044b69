module github.com/charmbracelet/lipgloss

go 1.18
